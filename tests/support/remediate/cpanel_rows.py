"""Rows of an audit of a cPanel & WHM server: its four services, each with files of the panel and a key of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.support.remediate.result_rows import Row, file, found, seen

HOST: Final = "web1"
NAME: Final = "server.example.com"
PORTS: Final = {"cpanel": "https", "dovecot": "imaps", "exim": "smtps", "pure-ftpd": "ftp"}
FOLDERS: Final = {"pure-ftpd": "ftp"}


def endpoint(service: str, name: str = NAME) -> str:
    """Return the id of a service's endpoint."""
    ports = {"cpanel": 2087, "dovecot": 993, "exim": 465, "pure-ftpd": 21}
    return f"{HOST}/{PORTS[service]}://{name}:{ports[service]}"


def service(word: str, names: Sequence[str] = (NAME,), leaf: str | None = "", **further: Any) -> Row:  # noqa: ANN401 - any field
    """Return what was seen of a service; its certificate and key are its own unless `leaf` names another."""
    folder = f"/var/cpanel/ssl/{FOLDERS.get(word, word)}"
    leaf_name = word if leaf == "" else leaf
    key = f"key of {leaf_name}"
    files = [file(f"{folder}/{word}.crt", key=key), file(f"{folder}/{word}.key", "key", key)]
    return seen(
        endpoint(word, further.pop("name", NAME)), names, leaf=leaf_name, key=key,
        **{"files": files, "service": word, "panel_service": FOLDERS.get(word, word), **further},
    )  # fmt: skip


def whole(**further: Any) -> Row:  # noqa: ANN401 - any field
    """Return what was seen of the host as a whole."""
    return seen(f"{HOST}/", (), leaf=None, service=None, **further)


def fresh(*words: str) -> tuple[Row, ...]:
    """Return services as a new server has them: each with a self-signed certificate of its own."""
    chosen = words or tuple(PORTS)
    return (
        whole(),
        *(service(word) for word in chosen),
        *(found(endpoint(word), "cert.self-signed") for word in chosen),
    )
