"""Reads what a CA meets that validates names of a host by HTTP: firewall rules, and tokens of earlier validations.

`audit.firewall` has a reader of the rules for each program, and evaluates the rules.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from audit.firewall.csf import CHAIN, CONFIGURATION, LISTS, SETTINGS, read_countries, read_csf
from audit.firewall.exposure import PORT
from audit.firewall.iptables import read_iptables
from audit.firewall.nftables import read_nftables
from audit.host.trust import load_shell
from audit.observation.firewall import MAX_NAMES, Firewall, HttpValidation, RuleChain, Token
from audit.observation.website import Docroot, Website
from audit.services.model import Section
from audit.services.virtual_hosts import docroot_of

_PICK: Final = "|".join(SETTINGS).replace("|", r"\|")
_HOOKED: Final = re.compile(r"\bhook (?:input|prerouting|ingress)\b")

RULES: Final = (
    f"csf_configuration='{CONFIGURATION}' csf_lists='{' '.join(LISTS)}' csf_settings='{_PICK}'\n"
    + load_shell("audit.host", "firewall")
)
"""The shell that lists the rules; its function is `firewall`."""


MAX_FOLDERS: Final = 200  # of a host whose tokens are listed
TOKEN_NAME: Final = "[0-9A-F]" * 32 + ".txt"  # other files may lie beside them
TOKENS: Final = load_shell("audit.host", "tokens")
"""The shell that lists tokens; its function is `tokens`."""

_UNLISTED: Final = "# cannot read "


def token_folders(websites: Iterable[Website]) -> tuple[str, ...]:
    """Return the folders of a host that may hold tokens of its names, without those above the limit."""
    folders = (str(site.docroot) for site in websites if site.docroot and site.port in (0, PORT))
    return tuple(dict.fromkeys(folder for folder in folders if folder.isprintable()))[:MAX_FOLDERS]


def script_for_tokens(folders: Sequence[str]) -> str:
    """Return the line that lists the tokens in these folders; TOKENS is above it."""
    return f"section tokens tokens '{TOKEN_NAME}' {' '.join(map(shlex.quote, folders))}\n" if folders else ""


def read_tokens(text: str) -> tuple[Token, ...]:
    """Return the tokens in the output of `tokens`; other lines are ignored."""
    lines = (line.partition(" ") for line in text.splitlines())
    return tuple(
        Token(path, datetime.fromtimestamp(int(seconds), tz=UTC))
        for seconds, _, path in lines
        if seconds.isascii() and seconds.isdigit() and len(seconds) < 12 and path.startswith("/")
    )


def read_rules(sections: Mapping[str, Section]) -> tuple[Firewall, tuple[str, ...]]:
    """Return the firewall, and a message for each part that could not be read (its subject is the login)."""
    interfaces, hidden = _interfaces(sections), list[str]()
    tables: list[RuleChain] = []
    for name, version in (("iptables", 4), ("ip6tables", 6), ("iptables_legacy", 4), ("ip6tables_legacy", 6)):
        tables += _read(
            sections, f"firewall.{name}", hidden, partial(read_iptables, version=version, interfaces=interfaces)
        )
    native = _read(sections, "firewall.nft", hidden, partial(read_nftables, interfaces=interfaces))
    chains = (*_not_of_iptables(native, sections), *tables)
    csf = sections.get("firewall.csf", Section("", 1)).text
    in_force = any(chain.name == CHAIN for chain in tables)
    is_hidden = bool(hidden) and not in_force
    hidden += [f"may not read {path}" for path in re.findall(r"^# cannot read (.+)$", csf, re.MULTILINE)]
    if is_hidden:
        chains = (*chains, *read_csf(csf))
    is_csf = in_force or (is_hidden and bool(csf))
    is_firewalld = any("firewalld" in chain.table for chain in native)
    kept_by = "csf" if is_csf else "firewalld" if is_firewalld else ""
    return Firewall(chains, read_countries(csf) if is_csf else (), kept_by), tuple(hidden)


def read_validation(
    names: tuple[str, ...], websites: Sequence[Website], sections: Mapping[str, Section]
) -> HttpValidation | None:
    """Return what a CA meets that validates these names; None without a name."""
    if not names:
        return None
    firewall, hidden = read_rules(sections)
    user = (sections["uid"].text.strip() if "uid" in sections else "") or "this login"
    docroots = (docroot_of(websites, name) for name in names[:MAX_NAMES])
    folders = tuple(dict.fromkeys(str(docroot) for docroot in docroots if isinstance(docroot, Docroot)))
    section = sections.get("tokens", Section("", None))
    unlisted = [f"{user} may not read {path}" for path in _denied(section.text, folders)]
    listed = token_folders(websites) if section.rc is not None else ()
    unlisted += [f"the tokens in {folder} were not listed" for folder in folders if folder not in listed]
    unlisted += [f"the tokens of {len(names)} names are not listed (limit {MAX_NAMES})"] * (len(names) > MAX_NAMES)
    tokens = (token for token in read_tokens(section.text) if token.path.rpartition("/")[0] in folders)
    return HttpValidation(names, firewall, tuple(f"{user} {why}" for why in hidden), tuple(tokens), tuple(unlisted))


def _denied(text: str, folders: Sequence[str]) -> Iterator[str]:
    """Yield what the login may not read of these folders: one, a folder above one, or the rest of the files in one."""
    for line in text.splitlines():
        path = line.removeprefix(_UNLISTED)
        above = path.removeprefix("the rest of ").partition(": ")[0]
        if path != line and any(f"{folder}/".startswith(f"{above}/") for folder in folders):
            yield path


def _read(
    sections: Mapping[str, Section], name: str, hidden: list[str], read: Callable[[str], Sequence[RuleChain]]
) -> Sequence[RuleChain]:
    """Return the rules that a program lists; if they cannot be read, add the reason to `hidden`."""
    section = sections.get(name)
    if section is None:
        return ()
    if section.rc == 0:
        try:
            return read(section.text)
        except ValueError as error:
            hidden.append(f"cannot read the output of {section.command!r}: {error}")
            return ()
    plain = sections.get(f"{name}_text")
    if plain and plain.rc == 0 and not _HOOKED.search(plain.text):
        return ()  # an old nft that cannot print JSON, without a chain that a connection would meet
    reason = " ".join((plain or section).text.split())[-160:] if (plain or section).rc else "it cannot print JSON"
    hidden.append(f"gets no list of rules by {section.command!r}: {reason}")
    return ()


def _not_of_iptables(chains: Sequence[RuleChain], sections: Mapping[str, Section]) -> Iterator[RuleChain]:
    """Yield the chains of nftables without those of iptables, because iptables-save lists them with its own matches."""
    iptables_tables = {
        f"nftables, table {family} {table}"
        for name, family in (("iptables", "ip"), ("ip6tables", "ip6"))
        if (section := sections.get(f"firewall.{name}")) and section.rc == 0 and "(nf_tables)" in section.text
        for table in re.findall(r"^\*(\S+)$", section.text, re.MULTILINE)
    }
    yield from (chain for chain in chains if chain.table not in iptables_tables)


def _interfaces(sections: Mapping[str, Section]) -> tuple[str, ...]:
    """Return the interfaces of connections from outside: those with an address that is not local."""
    listed = re.findall(
        r"^\d+:\s+(\S+)\s+inet6?\s+([^/\s]+)", sections.get("addresses", Section("")).text, re.MULTILINE
    )
    names = [name for name, address in listed if name != "lo" and not _is_local(address)]
    return tuple(dict.fromkeys(names))


def _is_local(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return True
    return parsed.is_link_local or parsed.is_loopback
