"""Which Dask cluster a run names, and the files of `[fleet]` with which it proves itself."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from audit.config import BadConfiguration, Configuration
from audit.config.schema import Fetch, Fleet
from pytest_sslaudit.fleet.schedulers import DaskCluster, names_cluster, read_cluster
from pytest_sslaudit.fleet.tls_files import TlsFiles
from tests.support.x509.ca import Identity, Leaf, issue, new_intermediate, new_root

NOW = datetime(2026, 12, 1, tzinfo=UTC)
FLEET = new_root("Fleet CA", now=NOW)


@pytest.fixture(autouse=True)
def dask_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())


def read(workers: str, configuration: Configuration | None = None) -> DaskCluster:
    return read_cluster(workers, configuration or Configuration(), NOW)


def member(name: str = "controller", issuer: Identity = FLEET, days_ago: int = 1) -> Identity:
    return issue(Leaf(name, (f"{name}.example.com",), NOW - timedelta(days=days_ago)), issuer)


def pem(*identities: Identity) -> bytes:
    return b"".join(identity.certificate.public_bytes(Encoding.PEM) for identity in identities)


def key_of(identity: Identity, passphrase: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def written(folder: Path, ca: bytes, certificate: bytes, key: bytes) -> Configuration:
    """Return a configuration whose `[fleet]` names these files."""
    for name, content in (("ca.pem", ca), ("member.pem", certificate), ("member.key", key)):
        file = folder / name
        file.write_bytes(content)
        file.chmod(0o600)
    return Configuration(folder / "sslaudit.toml", fleet=Fleet("ca.pem", "member.pem", "member.key"))


@pytest.mark.parametrize(
    ("workers", "is_cluster"),
    [("dask", True), ("tls://a:8786", True), ("tcp://127.0.0.1:8786", True), ("4", False), ("auto", False)],
)
def test_cluster_is_distinguished_from_a_number_of_processes(workers: str, is_cluster: bool) -> None:  # noqa: FBT001 - a table
    assert names_cluster(workers) is is_cluster


@pytest.mark.parametrize(
    ("workers", "url"),
    [
        ("dask", None),
        ("tcp://127.0.0.1:9000", "tcp://127.0.0.1:9000"),
        ("tcp://localhost", "tcp://localhost:8786"),
        ("tcp://[::1]:8786", "tcp://[::1]:8786"),
    ],
)
def test_cluster_of_this_machine_needs_no_tls_files(workers: str, url: str | None) -> None:
    assert read(workers) == DaskCluster(url, None, 60.0)


@pytest.mark.parametrize(
    "host", ["scheduler.example.com", "10.0.0.1", "0.0.0.0", "[::]", "[fe80::1]", "127.0.0.1.example.com"]
)
def test_scheduler_without_tls_is_refused_beyond_loopback(host: str) -> None:
    with pytest.raises(BadConfiguration, match=r"everyone who can reach the scheduler can run code") as refused:
        read(f"tcp://{host}:8786")
    assert f"write tls://{host}:8786" in str(refused.value)


@pytest.mark.parametrize(
    "workers",
    ["tls://", "tls://:8786", "tls://a:0", "tls://a:99999", "ws://a:8786", "tls://a/path", "tls://a?x=1", "tls://[a"],
)
def test_other_texts_are_not_schedulers(workers: str) -> None:
    with pytest.raises(BadConfiguration, match=r"write tls://HOST:8786, tcp://127\.0\.0\.1:8786, or dask"):
        read(workers)


def test_password_in_the_url_is_not_repeated() -> None:
    with pytest.raises(BadConfiguration) as refused:
        read("tls://user:secret-word@a:8786")
    assert "secret-word" not in str(refused.value)


def test_proxy_with_a_password_is_for_workers_of_this_run_only() -> None:
    configuration = Configuration(fetch=Fetch(proxy="http://user:secret-word@proxy.example.com:3128"))
    with pytest.raises(BadConfiguration, match=r"\[fetch\] proxy has a password") as refused:
        read("tcp://127.0.0.1:8786", configuration)
    assert "secret-word" not in str(refused.value)
    assert read("dask", configuration).url is None


def test_missing_dask_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BadConfiguration, match=r"install it with: pip install 'pytest-sslaudit\[fleet\]'$"):
        read("dask")


@pytest.mark.parametrize("wait_s", [0.0, -1.0, float("inf"), float("nan")])
def test_waiting_time_that_is_not_positive_is_refused(wait_s: float) -> None:
    with pytest.raises(BadConfiguration, match=r"\[fleet\] wait_s .* must be a number above 0"):
        read("dask", Configuration(fleet=Fleet(wait_s=wait_s)))


@pytest.mark.parametrize("depth", ["issued by the CA", "issued by an intermediate", "with the root in the chain"])
def test_files_that_belong_together_are_used(tmp_path: Path, depth: str) -> None:
    intermediate = new_intermediate("Fleet Intermediate", FLEET, now=NOW)
    own = member(issuer=intermediate if "intermediate" in depth else FLEET)
    above = {"issued by an intermediate": (intermediate,), "with the root in the chain": (FLEET,)}.get(depth, ())
    configuration = written(tmp_path, pem(new_root("Other", now=NOW), FLEET), pem(own, *above), key_of(own))
    files = TlsFiles(tmp_path / "ca.pem", tmp_path / "member.pem", tmp_path / "member.key")
    assert read("tls://a", configuration) == DaskCluster("tls://a:8786", files, 60.0)


def test_every_file_has_to_be_named(tmp_path: Path) -> None:
    own = member()
    configuration = written(tmp_path, pem(FLEET), pem(own), key_of(own))
    named = configuration.fleet
    for name, fleet in (
        ("ca", replace(named, ca=None)),
        ("certificate", replace(named, certificate=None)),
        ("key", replace(named, key=None)),
    ):
        with pytest.raises(BadConfiguration, match=rf"\[fleet\] {name} is missing"):
            read("tls://a", replace(configuration, fleet=fleet))


@pytest.mark.parametrize("name", ["ca.pem", "member.pem", "member.key"])
def test_missing_or_garbled_file_is_named(tmp_path: Path, name: str) -> None:
    own = member()
    configuration = written(tmp_path, pem(FLEET), pem(own), key_of(own))
    (tmp_path / name).write_bytes(b"-----BEGIN NOTHING-----\n")
    with pytest.raises(BadConfiguration, match=rf"{name} holds no "):
        read("tls://a", configuration)
    (tmp_path / name).unlink()
    with pytest.raises(BadConfiguration, match=rf"{name}: No such file or directory"):
        read("tls://a", configuration)


def test_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    configuration = written(tmp_path, pem(FLEET), pem(member()), key_of(member()))
    with pytest.raises(BadConfiguration, match=r"member\.key is not the key of the certificate in .*member\.pem: name"):
        read("tls://a", configuration)


def test_encrypted_key_is_refused(tmp_path: Path) -> None:
    own = member()
    configuration = written(tmp_path, pem(FLEET), pem(own), key_of(own, b"passphrase"))
    with pytest.raises(BadConfiguration, match=r"member\.key holds no key that can be used: .* without a passphrase"):
        read("tls://a", configuration)


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    own = member()
    configuration = written(tmp_path, pem(FLEET), pem(own), key_of(own))
    (tmp_path / "member.key").chmod(0o644)
    with pytest.raises(BadConfiguration, match=r"others can read or change .*member\.key \(mode 0644\): chmod 600"):
        read("tls://a", configuration)


def test_ca_that_others_can_change_is_refused(tmp_path: Path) -> None:
    own = member()
    configuration = written(tmp_path, pem(FLEET), pem(own), key_of(own))
    (tmp_path / "ca.pem").chmod(0o666)
    with pytest.raises(BadConfiguration, match=r"others can write to .*ca\.pem"):
        read("tls://a", configuration)


def test_certificate_of_another_ca_is_refused(tmp_path: Path) -> None:
    own = member(issuer=new_root("Fleet CA", now=NOW))
    configuration = written(tmp_path, pem(FLEET), pem(own), key_of(own))
    with pytest.raises(BadConfiguration, match=r"\(CN=controller,O=Lab\) was not issued by a CA in .*ca\.pem"):
        read("tls://a", configuration)


def test_expired_certificate_is_refused(tmp_path: Path) -> None:
    own = member(days_ago=200)
    configuration = written(tmp_path, pem(FLEET), pem(own), key_of(own))
    with pytest.raises(BadConfiguration, match=r"member\.pem is valid from 2026-05-15 .*, not now: have it issued"):
        read("tls://a", configuration)
