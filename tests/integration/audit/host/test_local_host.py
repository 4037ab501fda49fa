"""The inspection of this machine: real files, real sockets, and keys that stay on it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from audit.endpoint import parse_endpoints
from audit.host import script as collect
from audit.host.discovery import Login, assemble
from audit.host.files import file_functions, look_at, read_file
from audit.host.handshake import HostInside
from audit.host.login import Host, hosts_of
from audit.host.script import composed, prologue, read_sections, script_of
from audit.host.system import covers, read_facts
from audit.observation import Handshake, InstalledFile, ProbeFailure
from audit.probe.target import Target
from audit.services import LAYOUTS, SERVICES
from audit.services.declared import DeclaredService
from audit.services.model import NamedFile, Section
from tests.support.failing_logins import look, now
from tests.support.hosts.overlay import layer_of
from tests.support.probe.tls_servers import both, serving, tls
from tests.support.x509.certificates import leaf, rsa_key

KEY = ec.generate_private_key(ec.SECP256R1())
PASSPHRASE = serialization.BestAvailableEncryption(b"secret")
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)  # fmt: skip


def certificate(name: str = "www.example.com") -> bytes:
    """Return a self-signed certificate for the key, as PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(subject, subject, KEY.public_key(), 1234567, start, start + timedelta(days=30))
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_pem(encryption: serialization.KeySerializationEncryption | None = None) -> bytes:
    """Return the key as PEM."""
    return KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )


def local() -> Host:
    """Return this machine."""
    found = hosts_of("local://", {}, 20.0)
    assert not isinstance(found, ProbeFailure)
    return found[0]


def seen(*named: NamedFile) -> tuple[InstalledFile, ...]:
    """Inspect files by the script of a host, and assert that its output has no key bytes."""
    host = local()
    output = host.run(script_of(file_functions() + "".join(look_at(named))))
    assert not isinstance(output, ProbeFailure)
    assert_no_key(host._finished.stdout + host._finished.stderr if host._finished else b"")
    return tuple(read_file(path, output) for path in named)


def assert_no_key(output: bytes) -> None:
    """Assert that neither a line of the key's PEM nor a part of its number left the host."""
    number = KEY.private_numbers().private_value.to_bytes(32, "big")
    body = [line for line in key_pem().splitlines() if b"-----" not in line]
    assert output
    assert b"PRIVATE KEY" not in output
    for secret in (*body, number, number.hex().encode(), base64.b64encode(number)):
        assert secret not in output


def test_combined_file_yields_certificate_and_only_the_digest_of_the_key(tmp_path: Path) -> None:
    path = tmp_path / "both.pem"
    path.write_bytes(key_pem() + certificate() + certificate("second"))
    path.chmod(0o640)
    leaf, key = seen(NamedFile("certificate", str(path)), NamedFile("key", str(path)))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(PUBLIC)
    assert len(leaf.chain_der) == 2
    assert (key.spki_sha256, key.chain_der, key.fault) == (digest.finalize().hex(), (), None)
    assert (key.mode, key.owner) == (0o640, leaf.owner)


@pytest.mark.parametrize(
    ("content", "kind", "fault"),
    [
        (None, "key", "missing"),
        (b"", "key", "empty"),
        (b"no pem at all\n", "key", "unparseable"),
        (b"no pem at all\n", "certificate", "unparseable"),
        (key_pem(PASSPHRASE), "key", "encrypted"),
        (key_pem().replace(b"\n", b"\nAAAA", 1), "key", "unparseable"),
        (certificate()[:-40] + b"\n" + key_pem(), "certificate", "unparseable"),
    ],
)
def test_unusable_file_has_a_reason(tmp_path: Path, content: bytes | None, kind: str, fault: str) -> None:
    path = tmp_path / "it's a file.pem"
    if content is not None:
        path.write_bytes(content)
    named = NamedFile("key" if kind == "key" else "certificate", str(path))
    assert seen(named)[0].fault == fault


def test_directory_and_dangling_link_are_reported(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    folder, dangling = seen(NamedFile("key", str(tmp_path)), NamedFile("key", str(link)))
    assert folder.fault == "directory"
    assert (dangling.fault, dangling.detail) == ("missing", f"it is a link to {tmp_path / 'gone'}")


def test_link_is_followed_to_the_real_file(tmp_path: Path) -> None:
    (tmp_path / "real.pem").write_bytes(certificate())
    (tmp_path / "live.pem").symlink_to("real.pem")
    (found,) = seen(NamedFile("certificate", str(tmp_path / "live.pem")))
    assert found.real_path == str((tmp_path / "real.pem").resolve())


def test_directory_that_others_can_write_to_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "a.key").write_bytes(key_pem())
    folder.chmod(0o777)
    assert seen(NamedFile("key", str(folder / "a.key")))[0].open_folder == str(folder.resolve())
    folder.chmod(0o1777)  # sticky: only the owner can replace a file
    assert seen(NamedFile("key", str(folder / "a.key")))[0].open_folder is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights")
def test_unreadable_file_names_the_missing_permission() -> None:
    script = prologue("WORD") + file_functions() + "".join(
        look_at([NamedFile("key", "/root/.none/a.key"), NamedFile("key", "/etc/shadow")])
    )  # fmt: skip
    out = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    sections = read_sections("WORD", out.stdout)
    closed = read_file(NamedFile("key", "/root/.none/a.key"), sections)
    denied = read_file(NamedFile("key", "/etc/shadow"), sections)
    assert (closed.fault, closed.detail) == ("denied", "the login may not search /root")
    assert (denied.fault, denied.detail) == ("denied", "the login may not read it")


def test_key_in_configuration_or_error_message_does_not_leave_the_host(tmp_path: Path) -> None:
    path = tmp_path / "odd.conf"
    path.write_bytes(b"before\n" + key_pem() + b"after\n")
    script = prologue("WORD") + f"section odd cat {path}\n"
    out = subprocess.run(["sh", "-c", script], capture_output=True, check=False).stdout
    assert_no_key(out)
    assert read_sections("WORD", out.decode())["odd"].text == "before\nafter"


def _free_port() -> socket.socket:
    """Listen at a free well-known TLS port: of the many listeners of a machine these are tried first."""
    for port in (8883, 6697, 6514, 5671, 5061):
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    raise RuntimeError("no well-known port of TLS is free on this machine")


@pytest.fixture
def tls_port(own_network: None, tmp_path: Path) -> Iterator[int]:  # noqa: ARG001 - served there
    """Serve TLS at a port of loopback by an unknown service."""
    (tmp_path / "server.pem").write_bytes(key_pem() + certificate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with _free_port() as server:
        thread = threading.Thread(target=_accept, args=(server, context))
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(server: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:  # shut down
            return
        with contextlib.suppress(OSError):  # a client that leaves in the middle
            connection.settimeout(5)
            context.wrap_socket(connection, server_side=True).close()
        connection.close()


def _refuse(server: socket.socket) -> None:
    """Take one connection and close it, as a server does that does not speak TLS."""
    server.accept()[0].close()


def target_at(targets: tuple[Target, ...], port: int) -> Target | None:
    return next((target for target in targets if target.endpoint.port == port), None)


def test_tls_port_of_an_unknown_service_is_found_and_a_plain_port_is_not(tls_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        threading.Thread(target=_refuse, args=(plain,), daemon=True).start()
        plain_port = plain.getsockname()[1]
        (found,) = look(Login("local://"))
    target = target_at(found.targets, tls_port)
    assert target is not None
    assert (target.endpoint.scheme, target.endpoint.service, target.endpoint.host) == ("tls", "unknown", "local")
    assert target.addresses == ("127.0.0.1",)
    assert target_at(found.targets, plain_port) is None


@pytest.mark.usefixtures("own_network")
def test_host_reports_name_clock_and_addresses_in_two_commands() -> None:
    (found,) = look(Login("local://", name="web1.example.com", addresses=("203.0.113.10",)))
    server = found.host.server
    assert server is not None
    assert (server.label, server.hostspec, server.fqdn) == ("local", "local://", "web1.example.com")
    assert server.configured_addresses == ("203.0.113.10",)
    assert server.clock_offset_s is not None
    assert abs(server.clock_offset_s) < 10
    assert found.host.connections == 2


def test_declared_service_is_found_with_its_files_and_its_test(tmp_path: Path, tls_port: int) -> None:
    (tmp_path / "tls.pem").write_bytes(certificate() + key_pem())
    service = DeclaredService(
        "gate way", (f"https://api.example.com:{tls_port}?address=127.0.0.1",), str(tmp_path / "tls.pem"),
        str(tmp_path / "tls.pem"), test="echo no good; exit 3",
    )  # fmt: skip
    (found,) = look(Login("local://", services=(service,)))
    target = target_at(found.targets, tls_port)
    assert target is not None
    assert target.server is not None
    assert (str(target.endpoint), target.addresses) == (
        f"local/https://api.example.com:{tls_port}", ("127.0.0.1",)
    )  # fmt: skip
    assert [file.fault for file in target.server.files] == [None, None]
    assert target.server.config_test is not None
    assert (target.server.config_test.ok, target.server.config_test.detail) == (False, "no good")
    assert target.server.service_running


def test_handshake_is_made_from_the_host(tls_port: int) -> None:
    (found,) = look(Login("local://"))
    target = target_at(found.targets, tls_port)
    assert target is not None
    assert target.inside is not None
    (shown,) = target.inside.observe_handshakes([(target.endpoint, "127.0.0.1")])[target.endpoint, "127.0.0.1"]
    assert isinstance(shown, Handshake)
    assert (shown.version, shown.from_host, shown.old_protocols) == ("TLSv1.3", True, None)
    assert [x509.load_der_x509_certificate(der).serial_number for der in shown.chain_der] == [1234567]


def test_second_certificate_is_found_from_the_host() -> None:
    ec_leaf, rsa_leaf = leaf("ec.example"), leaf("rsa.example").with_key(rsa_key(2048))
    with serving(tls(both(rsa_leaf, ec_leaf))) as server:
        (endpoint,), _ = parse_endpoints(f"tls://www.example.com:{server.port}", "x")
        shown = HostInside(local()).observe_handshakes([(endpoint, "127.0.0.1")])[endpoint, "127.0.0.1"]
    served = {handshake.chain_der[0] for handshake in shown if isinstance(handshake, Handshake)}
    assert (len(shown), served) == (2, {ec_leaf.der, rsa_leaf.der})


def test_refused_handshake_from_the_host_is_reported() -> None:
    (endpoint,), _ = parse_endpoints("https://www.example.com:1", "x")
    (failure,) = HostInside(local()).observe_handshakes([(endpoint, "127.0.0.1")])[endpoint, "127.0.0.1"]
    assert isinstance(failure, ProbeFailure)
    assert (failure.stage, failure.kind, failure.address) == ("connect", "refused", "127.0.0.1")


def test_endpoints_of_a_file_are_read_line_by_line() -> None:
    text = "\ufeff# ours\nhttps://www.example.com # main\n\ngopher://x\nsmtp://mx.example.com:70000\n"
    endpoints, unusable = parse_endpoints(text, "list.txt")
    assert [str(endpoint) for endpoint in endpoints] == ["https://www.example.com:443"]
    assert [(line.source, line.number, line.text) for line in unusable] == [
        ("list.txt", 4, "gopher://x"),
        ("list.txt", 5, "smtp://mx.example.com:70000"),
    ]
    assert "gopher" in unusable[0].why


def test_targets_are_sorted_and_unique() -> None:
    endpoints, _ = parse_endpoints("https://b.example.com\nhttps://a.example.com\nhttps://B.example.com:443", "x")
    assert [str(target.endpoint) for target in assemble((), endpoints)] == [
        "https://a.example.com:443",
        "https://b.example.com:443",
    ]


def test_sockets_are_read_in_the_byte_order_of_the_host() -> None:
    row = "   0: {}:1F90 0:0 0A 0:0 00:0 0 0 0 4242 1 0"
    table = "\n".join(map(row.format, ("0100007F", "00000000", "B80D0120000000000000000001000000")))
    sections = {name: Section(text) for name, text in {"sockets": table, "owners": "pid 7\n4242\npid 12\n4242"}.items()}
    facts = read_facts(sections, now(), now())
    assert facts.listening(8080) == ("127.0.0.1", "0.0.0.0", "2001:db8::1")
    assert facts.ports_of(7) == facts.ports_of(12) != ()
    assert covers("::", "192.0.2.1")
    assert not covers("0.0.0.0", "2001:db8::1")


@pytest.mark.parametrize(
    "text",
    [
        (
            "2: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\n2: eth0    inet6 fe80::1/64 scope link\n"
            "1: lo    inet 127.0.0.1/8 scope host lo\n3: docker0    inet 172.17.0.1/16 scope global docker0"
        ),
        "192.0.2.2 fe80::1 ",
        "eth0: flags=4163<UP>  mtu 1500\n        inet 192.0.2.2  netmask 0.0.0.0  broadcast 127.255.255.255",
    ],
)
def test_addresses_are_those_of_the_host_and_not_of_its_containers(text: str) -> None:
    assert read_facts({"addresses": Section(text)}, now(), now()).addresses == ("192.0.2.2",)


def test_script_is_plain_posix_shell() -> None:
    script = composed(collect.whole_script(SERVICES, LAYOUTS), None)
    assert subprocess.run(["dash", "-n", "-c", script], check=False).returncode == 0
    quoted = shlex.quote(shlex.quote(script))
    assert len(quoted) < 100_000, "one argument of a command line holds 128 KiB, and it is quoted twice"
    assert not re.search(r"\[\[ |<<<|^ *(local|declare) ", script, re.MULTILINE)  # awk has `function`
    assert not re.search(r"\{[{%#]", script), "ansible's shell module takes these for the marks of a template"


@pytest.mark.parametrize(
    ("make", "fault", "detail"),
    [
        ("truncate -s 1T", "too-large", f"it has {1 << 40} bytes (limit 1048576)"),
        ("mkfifo", "not-regular", "it is a fifo"),
        ("ln -s /dev/zero", "not-regular", "it is a character special file"),
    ],
    ids=["sparse", "fifo", "device"],
)
def test_blocking_or_huge_file_is_named_and_not_read(tmp_path: Path, make: str, fault: str, detail: str) -> None:
    path = tmp_path / "a.crt"
    subprocess.run([*make.split(), path], check=True)
    began = time.monotonic()
    (found,) = seen(NamedFile("certificate", str(path)))
    assert (found.fault, found.detail) == (fault, detail)
    assert time.monotonic() - began < 25


def test_file_names_and_link_targets_add_no_facts(tmp_path: Path) -> None:
    odd = tmp_path / "a\nkey 0123\nstat 600 root root regular file"
    odd.symlink_to("gone\nkey " + "ab" * 32 + "\nstat 600 root root regular file")
    (found,) = seen(NamedFile("key", str(odd)))
    assert (found.fault, found.spki_sha256, found.mode) == ("missing", None, None)


def test_lines_of_a_certificate_that_are_not_base64_stay_on_the_host(tmp_path: Path) -> None:
    path = tmp_path / "a.crt"
    lines = certificate().decode().splitlines()
    path.write_text("\n".join([*lines[:3], "password: hunter2", "missing", *lines[3:], ""]), "utf-8")
    (found,) = seen(NamedFile("certificate", str(path)))
    assert (found.fault, found.detail) == ("unparseable", "a certificate in it is truncated")


@pytest.fixture
def others_folder() -> Iterator[Path]:
    """Return a directory that belongs to another user, below a path that this user can enter."""
    if os.geteuid() != 0:
        pytest.skip("only root can make another user's directory")
    folder = Path(tempfile.mkdtemp(dir="/var/lib"))
    os.chown(folder, _OTHER, _OTHER)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


_OTHER = 4711


@pytest.fixture
def acl_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have setfacl and getfacl on PATH, from the overlay of the real servers if this machine has none."""
    if shutil.which("setfacl") is None:
        monkeypatch.setenv("PATH", str(layer_of("main").upper / "usr" / "bin"), prepend=os.pathsep)
    if shutil.which("setfacl") is None and not os.environ.get("CI"):
        pytest.skip("setfacl is not installed here, and the overlays of the real servers are not built")


def test_certificate_of_another_user_is_read_with_the_rights_of_that_user(others_folder: Path) -> None:
    pem, key = others_folder / "a.crt", others_folder / "a.key"
    pem.write_bytes(certificate())
    key.write_bytes(key_pem())
    for path in (pem, key):
        os.chown(path, _OTHER, _OTHER)
        path.chmod(0o600)
    leaf, secret = seen(NamedFile("certificate", str(pem)), NamedFile("key", str(key)))
    assert (len(leaf.chain_der), leaf.fault, secret.fault) == (1, None, None)
    assert secret.spki_sha256 == hashlib.sha256(PUBLIC).hexdigest()


def test_root_key_behind_a_link_of_another_user_is_not_read(others_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "root.key").write_bytes(key_pem())
    (tmp_path / "root.key").chmod(0o600)
    (others_folder / "a.key").symlink_to(tmp_path / "root.key")
    (found,) = seen(NamedFile("key", str(others_folder / "a.key")))
    assert (found.fault, found.spki_sha256) == ("denied", None)
    assert f"belongs to uid {_OTHER}" in found.detail


@pytest.mark.system
@pytest.mark.usefixtures("acl_tools")
@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (("u:4711:r",), ("user:4711:r--", "group::---")),
        (("g:4712:rw", "m::r"), ("group::---", "group:4712:r--")),
    ],
)
def test_acl_of_a_key_is_read_after_its_mask(
    tmp_path: Path, entries: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(key_pem())
    path.chmod(0o600)
    subprocess.run(["setfacl", *(word for entry in entries for word in ("-m", entry)), str(path)], check=True)
    (found,) = seen(NamedFile("key", str(path)))
    assert (found.acl, found.mode) == (expected, 0o640)
