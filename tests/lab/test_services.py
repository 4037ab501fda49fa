"""The services of the host: they serve their files after a reload, and keep open connections."""

from __future__ import annotations

import socket
import ssl
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.endpoint import Endpoint, parse_endpoint
from tests.lab.lab import running
from tests.support.x509.ca import Identity, Leaf, issue


@dataclass(frozen=True, slots=True)
class Service:
    """A service as its configuration has it."""

    table: dict[str, Any]

    @property
    def endpoint(self) -> Endpoint:
        return parse_endpoint(self.table["endpoints"][0])

    @property
    def folder(self) -> Path:
        return Path(self.table["certificate"]).parent

    def install(self, identity: Identity, key: Identity | None = None) -> None:
        """Write a certificate and its key, or another's."""
        pem = (key or identity).key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "key.pem").write_bytes(pem)
        (self.folder / "certificate.pem").write_bytes(identity.certificate.public_bytes(Encoding.PEM))

    def run(self, word: str) -> subprocess.CompletedProcess[str]:
        """Run its `test` or `reload` command."""
        return subprocess.run(["sh", "-c", self.table[word]], cwd="/", capture_output=True, text=True, check=False)

    def connect(self) -> ssl.SSLSocket:
        """Shake hands with it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((self.endpoint.connect_to, self.endpoint.port), timeout=5)
        return context.wrap_socket(plain, server_hostname=self.endpoint.name)

    def serves(self) -> bytes:
        """Return its leaf."""
        with self.connect() as connection:
            return connection.getpeercert(binary_form=True) or b""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    folder = tmp_path_factory.mktemp("a lab")  # a space in its path
    with running(folder):
        tables = tomllib.loads((folder / "sslaudit.toml").read_text())["service"]
        yield {table["name"]: Service(table) for table in tables}


@pytest.fixture
def identity() -> Identity:
    return issue(Leaf("new.lab.test", ("new.lab.test",), datetime.now(UTC) - timedelta(days=1)), None)


def der(identity: Identity) -> bytes:
    return identity.certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("name", ["expired", "expired-second-name"])
def test_installed_certificate_is_served_after_the_reload(
    services: dict[str, Service], identity: Identity, name: str
) -> None:
    before = services[name].serves()
    services[name].install(identity)
    assert services[name].serves() == before
    reloaded = services[name].run("reload")
    assert (reloaded.returncode, reloaded.stdout) == (0, "taken up\n")
    assert services[name].serves() == der(identity)


def test_reload_keeps_open_connections(services: dict[str, Service], identity: Identity) -> None:
    service = services["duplicated"]  # it sends back what comes
    with service.connect() as connection:
        service.install(identity)
        assert service.run("reload").returncode == 0
        connection.sendall(b"still here")
        assert connection.recv(100) == b"still here"
    assert service.serves() == der(identity)


def test_invalid_files_are_refused_by_the_reload(services: dict[str, Service], identity: Identity) -> None:
    service, before = services["sha1"], services["sha1"].serves()
    service.install(identity)
    (service.folder / "certificate.pem").write_text("<html>502 Bad Gateway</html>")
    assert service.run("test").returncode != 0
    reloaded = service.run("reload")
    assert (reloaded.returncode, service.serves()) == (1, before)
    assert "sha1 keeps what it serves" in reloaded.stdout


def test_key_of_another_certificate_is_refused_by_the_reload(services: dict[str, Service], identity: Identity) -> None:
    service, before = services["no-san"], services["no-san"].serves()
    assert service.run("test").returncode == 0
    other = issue(Leaf("new.lab.test", ("new.lab.test",), datetime.now(UTC)), None)
    service.install(identity, key=other)
    assert service.run("test").returncode != 0
    assert (service.run("reload").returncode, service.serves()) == (1, before)


def test_service_without_a_key_test_fails_at_the_reload(services: dict[str, Service]) -> None:
    service = services["key-of-another"]
    assert service.run("test").returncode == 0
    assert service.run("reload").returncode == 1


def test_services_with_shared_files_reload_separately(services: dict[str, Service], identity: Identity) -> None:
    shared, mail = services["shared"], services["mail-shared"]
    assert shared.table["certificate"] == mail.table["certificate"]
    shared.install(identity)
    assert mail.run("reload").returncode == 0
    assert (mail.serves(), shared.serves() == der(identity)) == (der(identity), False)


def test_reload_of_an_unknown_service_fails(services: dict[str, Service]) -> None:
    unknown = services["kept"].table["reload"].removesuffix("kept") + "absent"
    done = subprocess.run(["sh", "-c", unknown], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "there is no service 'absent'\n")
