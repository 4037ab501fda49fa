"""FTP of the lab: the commands of RFC 959 and RFC 4217 that a client needs to log in and list an empty folder."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from OpenSSL import SSL

from tests.lab.protocols import Protocol, Session
from tests.lab.stream import Stream
from tests.support.sockets import accepting, bind

_DATA_WAIT_S = 5.0  # a client that asked for a data connection opens it at once


async def _accept_data(session: Session, answer: str) -> None:
    """Open a port for one data connection, say so, and send the listing over it once that is asked for.

    The next command is read here: a listing is the only thing that makes use of the connection.
    """
    (bound,) = bind((session.stream.local_address,))
    asked, sent = asyncio.Event(), asyncio.Event()

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        await _send_listing(session, Stream(reader, writer))
        sent.set()

    async with accepting(bound, send):
        address, port = bound.getsockname()[:2]
        octets = [*address.split("."), str(port >> 8), str(port & 255)]
        await session.answer(answer.format(port=port, octets=",".join(octets)))
        while not (line := await session.stream.read_line()).upper().startswith(("LIST", "NLST")):
            command = line.partition(" ")[0].upper()
            await session.answer(FTP.answers.get(command, FTP.otherwise))
        await session.answer("150 here it comes\r\n")
        asked.set()
        await asyncio.wait_for(sent.wait(), _DATA_WAIT_S)
    await session.answer("226 done\r\n")


async def _send_listing(session: Session, data: Stream) -> None:
    with contextlib.suppress(OSError, SSL.Error):  # the client does not want it after all
        if session.protects_data:
            await data.start_tls(session.context)
        await data.write(b"-rw-r--r-- 1 lab lab 0 Jan 01 00:00 empty\r\n")
    await data.close()


async def _passive(session: Session) -> None:
    await _accept_data(session, "227 Entering Passive Mode ({octets})\r\n")


async def _extended_passive(session: Session) -> None:
    await _accept_data(session, "229 Entering Extended Passive Mode (|||{port}|)\r\n")


async def _protect(session: Session) -> None:
    session.protects_data = session.argument.upper() == "P"
    await session.answer("200 ok\r\n")


FTP: Final = Protocol(
    greeting="220 lab ready\r\n",
    answers={
        "FEAT": "211-Features\r\n{offer} UTF8\r\n211 end\r\n",
        "OPTS": "200 ok\r\n",
        "SYST": "215 UNIX Type: L8\r\n",
        "USER": "331 password\r\n",
        "PASS": "230 logged in\r\n",
        "PBSZ": "200 ok\r\n",
        "PWD": '257 "/"\r\n',
        "CWD": "250 ok\r\n",
        "TYPE": "200 ok\r\n",
        "NOOP": "200 ok\r\n",
        "LIST": "425 PASV or EPSV first\r\n",
        "NLST": "425 PASV or EPSV first\r\n",
        "QUIT": "221 bye\r\n",
    },
    otherwise="502 not implemented\r\n",
    offer=" AUTH TLS\r\n",
    upgrade="AUTH",
    consent="234 go ahead\r\n",
    refusal="502 not implemented\r\n",
    farewell=("QUIT",),
    commands={"PASV": _passive, "EPSV": _extended_passive, "PROT": _protect},
)
