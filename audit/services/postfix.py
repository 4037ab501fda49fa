"""postfix: `postconf` for the main settings and the services of master.cf with what each overrides.

It knows which of them speak TLS from the start and which by STARTTLS, and refuses to look certificates up in tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from audit.services.service import ANY, ANY_IPV4, ANY_IPV6, Dump, Listener, NamedFile, Service, pair

# `master` is the name of many programs: only the one that lies with postfix is meant.
SCRIPT: Final = r"""
  case $bin in */postfix*/master) ;; *) [ "$pid" = 0 ] || return 0 ;; esac
  p=$(command -v postconf) || return 0
  c=$(option -c)
  [ -n "$c" ] || c=$(tr "\000" "\n" <"/proc/$pid/environ" | sed -n "s/^MAIL_CONFIG=//p")
  set -- $limit "$p" ${c:+-c "$c"}
  section test silent "$@" -n
  section main "$@" -x smtpd_tls_cert_file smtpd_tls_key_file smtpd_tls_eccert_file smtpd_tls_eckey_file \
    smtpd_tls_dcert_file smtpd_tls_dkey_file smtpd_tls_chain_files smtpd_tls_security_level smtpd_use_tls \
    smtpd_tls_wrappermode inet_interfaces inet_protocols tls_server_sni_maps
  section master "$@" -M
  section overrides "$@" -P
"""
_PORTS: Final = {"smtp": 25, "smtps": 465, "submission": 587, "submissions": 465}
_PAIRS: Final = (
    ("smtpd_tls_cert_file", "smtpd_tls_key_file"),
    ("smtpd_tls_eccert_file", "smtpd_tls_eckey_file"),
    ("smtpd_tls_dcert_file", "smtpd_tls_dkey_file"),
)


def read(dump: Dump) -> tuple[Listener, ...]:
    """Return the smtpd services of master.cf as listeners."""
    main = dict(_settings(dump.text("main")))
    overrides = dict(_settings(dump.text("overrides")))
    found: list[Listener] = []
    for line in dump.text("master").splitlines():
        fields = line.split()
        if len(fields) < 8 or fields[1] != "inet" or fields[7] not in ("smtpd", "postscreen"):
            continue
        prefix = f"{fields[0]}/{fields[1]}/"
        own = {key.removeprefix(prefix): value for key, value in overrides.items() if key.startswith(prefix)}
        listener = _listener(fields[0], main | own)
        if listener:
            found.append(listener)
    return tuple(found)


def _settings(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip(), value.strip()


def _listener(service: str, settings: Mapping[str, str]) -> Listener | None:
    match = re.fullmatch(r"(?:(?P<host>\[[^\]]+\]|[^:\[\]]+):)?(?P<port>[\w-]+)", service)
    port = match["port"] if match else ""
    number = int(port) if port.isdigit() else _PORTS.get(port)
    if match is None or number is None:
        return None
    scheme = "smtps" if settings.get("smtpd_tls_wrappermode") == "yes" else "smtp"
    sni = settings.get("tls_server_sni_maps", "")
    unread = (f"postfix looks certificates up by name in {sni}",) if sni else ()
    return Listener(scheme, number, _addresses(match["host"], settings), (), _files(settings), unread)


def _files(settings: Mapping[str, str]) -> tuple[NamedFile, ...]:
    chain_files = [path for path in re.split(r"[\s,]+", settings.get("smtpd_tls_chain_files", "")) if path]
    files: list[NamedFile] = []
    for path in chain_files:  # postfix 3.4: key first, then its chain, in one file or in files after another
        files += pair(path, path)
    if files:
        return tuple(files)
    for certificate, key in _PAIRS:
        path = settings.get(certificate, "")
        if path and path != "none":
            named = settings.get(key, "")
            files += pair(path, named if named and "$" not in named else path)
    return tuple(files)


def _addresses(host: str | None, settings: Mapping[str, str]) -> tuple[str, ...]:
    protocols = re.split(r"[\s,]+", settings.get("inet_protocols", "all"))
    families = tuple(
        address for address, name in ((ANY_IPV4, "ipv4"), (ANY_IPV6, "ipv6")) if name in protocols or "all" in protocols
    )
    interfaces = [host.strip("[]")] if host else re.split(r"[\s,]+", settings.get("inet_interfaces", "all"))
    found: list[str] = []
    for one in interfaces:
        if one == "all":
            found += families
        elif one in ("loopback-only", "localhost"):
            found += [loop for loop, any_ in (("127.0.0.1", ANY_IPV4), ("::1", ANY_IPV6)) if any_ in families]
        elif re.fullmatch(r"[0-9a-fA-F.:]+", one):
            found.append(one)
    return tuple(dict.fromkeys(found)) or ANY


SERVICE: Final = Service("postfix", ("master",), SCRIPT, read)
