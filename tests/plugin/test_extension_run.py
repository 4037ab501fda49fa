"""One run with a member of every kind, from wheels that pip installed: audit, repair, notification and reports.

The issuer of a second distribution requires dns-01, which the solver of the page presents.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dns.message
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.distributions import Distribution, documented, documented_files
from tests.support.dns.servers import Query, Tree, authoritative, running
from tests.support.evidence import rows
from tests.support.gatewayd import running_gateway
from tests.support.own_network import own_network
from tests.support.remediate.fake_host.ca import AUTHORITY
from tests.support.remediate.fake_host.host import write_expired
from tests.support.remediate.own_programs import program

__all__ = ["own_network"]  # a fixture
NAME: Final = "api.example"
ZONE: Final = """$ORIGIN example.
$TTL 60
@ SOA ns h 1 60 60 600 5
@ NS ns
ns A 127.0.0.1
api A 127.0.0.1
"""
CHALLENGED: Final = f"_acme-challenge.{NAME}"
NAMED: Final = (
    *(f"{member} (acme-sslaudit 1.2)" for member in (
        "check acme-corp", "service gateway", "installer gateway", "issuer acme-ca", "solver acme-dns",
        "channel acme-log", "report acme-inventory")),
    "issuer validating-ca (validating-ca 2.0)",
)  # fmt: skip
VALIDATING: Final = """
from acme_sslaudit.issuer import AcmeCa, AcmeCaConfig
from remediate.issuers import Authorization, Challenge, Order


class ValidatingCa(AcmeCa):
    def place(self, request):
        if (self.issued.parent / "accepted").exists():
            return super().place(request)
        self.log("place")
        challenge = Challenge("dns-01", request.names[0], "token", f"digest {request.case_id}")
        authorizations = (Authorization(challenge.identifier, (challenge,)),)
        return Order(request.csr.sha256[:16], "pending", retry_after_s=0, authorizations=authorizations)

    def accept(self, challenge):
        self.log("accept")
        (self.issued.parent / "accepted").touch()

    def log(self, word):
        with (self.issued.parent / "log").open("a") as log:
            log.write(word + "\\n")


class ValidatingConfig(AcmeCaConfig):
    def open(self, section, run):
        path = section.configuration.path
        return ValidatingCa(path(self.certificate_file), path(self.key_file), path(self.issued))
"""


@pytest.fixture
def port(pytester: pytest.Pytester, own_network: None) -> Iterator[int]:
    """Run the daemon of the page with an expired certificate; yields its port.

    It has a network of its own, because the run looks for every such process in its network.
    """
    del own_network
    folder = pytester.mkdir("gateway")
    write_expired(folder, NAME)
    (folder / "tls.key").chmod(0o600)
    with running_gateway(folder, NAME) as (number, _):
        yield number


def install(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the distribution of the page and a second one by pip into a directory of PYTHONPATH."""
    entry_points = (("issuers", "validating-ca", "validating_ca:ValidatingConfig"),)
    second = Distribution("validating-ca", "2.0", {"validating_ca.py": VALIDATING}, entry_points)
    wheels = [distribution.wheel(pytester.path) for distribution in (documented(), second)]
    site = pytester.path / "site"
    options = ("--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", "--target", site)
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *wheels], check=True)
    monkeypatch.setenv("PYTHONPATH", str(site))


def configure(folder: Path, resolver: str) -> None:
    """Write the configuration of the page, with CAs and the program of the solver, for this machine alone."""
    ca = AUTHORITY.root
    (folder / "ca.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    (folder / "ca.key").write_bytes(ca.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "issued").mkdir()
    program(
        folder / "acme-dns",
        f"""#!/bin/sh
echo "$1" >>{folder}/log
if [ "$1" = add ]; then printf '%s TXT "%s"\\n' "$2." "$3" >{folder}/record; else rm -f {folder}/record; fi
""",
    )
    written = documented_files()["sslaudit.toml"].replace("/usr/local/bin/acme-dns", str(folder / "acme-dns"))
    written = written.replace('issuer = "corp"', 'issuer = "validating"')
    keys = 'certificate_file = "ca.pem"\nkey_file = "ca.key"\nissued = "issued"\n'
    host = f'[host."local://"]\naddresses = ["127.0.0.1"]\nfolder = "{folder}/versions"\n'
    more = f'{host}[issuer.validating]\nkind = "validating-ca"\n{keys}[probe]\nresolver = ["{resolver}"]\n'
    (folder / "sslaudit.toml").write_text(f'trust = ["ca.pem"]\n{written}\n{more}')


@contextmanager
def zone(folder: Path) -> Iterator[Tree]:
    """Serve the zone with the record that is in the directory at the time; the log gets queries for the challenge."""

    def answer(query: Query) -> dns.message.Message | None:
        record = folder / "record"
        if query.message.question[0].name.to_text() == f"{CHALLENGED}.":
            with (folder / "log").open("a") as log:
                log.write("query\n")
        return authoritative(ZONE + (record.read_text() if record.exists() else ""))(query)

    with running({"127.0.0.1": answer}) as tree:
        yield tree


def served(port: int) -> bytes:
    """Return the leaf that the daemon serves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain) as tls:
        return tls.getpeercert(binary_form=True) or b""


def test_members_of_every_kind_work_in_one_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    install(pytester, monkeypatch)
    before = served(port)
    with zone(pytester.path) as tree:
        configure(pytester.path, f"127.0.0.1:{tree.port}")
        result = pytester.runpytest_subprocess(
            "--pyargs", "audit", "--hosts=local://", "--remediate", "--audit-state=state", "--html=report.html",
            "--audit-results=results.jsonl", "-k", NAME, timeout=240,
        )  # fmt: skip
    output = result.stdout.str()
    page = pytester.path.joinpath("report.html").read_text()
    for extension in NAMED:
        assert f"sslaudit extension: {extension}" in output
        assert f"extension: {extension}" in page
    (case,) = rows(pytester.path / "results.jsonl", "remediation")
    assert (case["outcome"], case["endpoint"]) == ("proven", f"local/https://{NAME}:{port}"), output
    assert served(port) != before
    assert len(list(pytester.path.joinpath("issued").iterdir())) == 1
    log = dict.fromkeys(pytester.path.joinpath("log").read_text().split())  # a query may be sent again
    assert [*log] == ["place", "add", "query", "accept", "remove"]
    assert not pytester.path.joinpath("record").exists()
    verdicts = {(row["check"], row["phase"]): row["verdict"] for row in rows(pytester.path / "results.jsonl")}
    assert (verdicts["cert.expired", "before"], verdicts["cert.expired", "after"]) == ("fail", "pass")
    assert verdicts["acme.corp-issuer", "before"] == "fail"
    assert pytester.path.joinpath("inventory.txt").read_text().count(f"local/https://{NAME}:{port} ") == 2
    notices = pytester.path.joinpath("notices.log").read_text()
    assert notices.startswith(f"failed https://{NAME}:{port} cert.expired: ")  # the own check still fails
    assert "issued by Lab; Example Corp is required" in notices
