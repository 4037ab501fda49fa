"""Files at the paths of postfix that another user controls or that have no end: root opens none of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import pytest

from remediate.installers import INSTALLERS
from tests.support.hosts.attacker import HOME, UID, move_in, put
from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, running_lab, sound

pytestmark = pytest.mark.system

MAIL2: Final = NAMES["second"].main
PORTS: Final = (f"smtp://{MAIL2}:25", f"smtps://{MAIL2}:465")
FTP: Final = f"{MAIL2}/ftp://{MAIL2}:21"  # another service of the host
PRECIOUS: Final = "/root/precious"
OPENED: Final = f"{HOME}/opened"
_RUN_S: Final = 60.0  # an audit without these files takes some 10 s, and each file that blocks would add 10 s
_WAITING: Final = f"sh -c 'exec 3>{HOME}/fifo; : >{OPENED}'"
"""What makes a file once another process opens the FIFO to read it."""


@pytest.fixture(scope="module")
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "second") as running:
        host, own = running.hosts["second"], authority.issue(MAIL2)
        move_in(host)
        put(host, HostFile(f"{HOME}/tls.crt", own.fullchain), HostFile(f"{HOME}/tls.key", own.key, 0o600))
        put(host, HostFile(f"{HOME}/sni", f"mx.example.test {HOME}/tls.key {HOME}/tls.crt\n"))
        host.write(HostFile(PRECIOUS, "mx.example.test /precious/key /precious/crt\n", 0o600))
        host.shell(
            f"mkfifo {HOME}/fifo; truncate -s 1T {HOME}/huge; ln -s {PRECIOUS} {HOME}/link; truncate -s 1T /etc/huge;"
            f"chown -h {UID}:{UID} {HOME}/fifo {HOME}/huge {HOME}/link; mkfifo /etc/fifo"
        )
        yield running


@pytest.fixture
def host(lab: Lab) -> Iterator[Host]:
    """Let a user's process wait for a reader of the FIFO, and let postfix have its settings again afterwards."""
    mail2 = lab.hosts["second"]
    before = mail2.read("/etc/postfix/main.cf")
    mail2.shell(f"rm -f {OPENED}; setpriv --reuid={UID} --regid={UID} --clear-groups {_WAITING} >/dev/null 2>&1 &")
    yield mail2
    mail2.shell(f"pkill -KILL -u {UID} || :")
    mail2.write(HostFile("/etc/postfix/main.cf", before))


def audited(lab: Lab, setting: str, value: str) -> AuditRun:
    """Audit the host with one more setting; fails if that takes long, or if other services are not audited."""
    lab.hosts["second"].shell(f"postconf -e '{setting} = {value}'")
    began = time.monotonic()
    run = lab.audit(f"--hosts=ssh://root@{MAIL2}")
    assert time.monotonic() - began < _RUN_S
    assert run.verdict(FTP, "cert.expired")[0] == "pass", run.explain()
    assert {f"{MAIL2}/{port}" for port in PORTS} <= run.endpoints
    return run


def messages(run: AuditRun, port: str) -> str:
    """Return what was said of a port."""
    return "\n".join(one["message"] for one in run.results if one["endpoint"] == f"{MAIL2}/{port}")


def test_table_in_the_setting_itself_is_audited_by_its_names(lab: Lab, host: Host, authority: Authority) -> None:
    name = "inline.example.test"
    host.write(*authority.issue(name).at("/etc/ssl/inline"))
    table = f"inline:{{ {{{name} = /etc/ssl/inline.key, /etc/ssl/inline.crt}} }}"
    host.shell(f"postconf -e 'tls_server_sni_maps = {table}'; postfix reload")
    run = audited(lab, "tls_server_sni_maps", table)
    for endpoint in (f"{MAIL2}/smtp://{name}:25", f"{MAIL2}/smtps://{name}:465"):
        assert run.verdict(endpoint, "cert.name-mismatch")[0] == "pass", run.explain()
        assert run.verdict(endpoint, "svc.disk-vs-wire")[0] == "pass", run.explain()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{HOME}/fifo", f"{HOME} belongs to uid {UID}"),
        (f"{HOME}/huge", f"{HOME} belongs to uid {UID}"),
        (f"{HOME}/sni", f"{HOME} belongs to uid {UID}"),
        (f"{HOME}/link", f"{HOME} belongs to uid {UID}"),
        ("/etc/huge", "/etc/huge has 1099511627776 bytes (limit 8000000)"),
        ("/etc/fifo", "/etc/fifo is not a regular file"),
    ],
)
def test_table_that_root_does_not_read_is_named_with_the_reason(lab: Lab, host: Host, path: str, reason: str) -> None:
    run = audited(lab, "tls_server_sni_maps", f"hash:{path}")
    assert host.run("test", "-e", OPENED).returncode != 0, "root opened the FIFO"
    result = "\n".join(str(line) for line in run.lines)
    assert f"postfix looks certificates up by name in hash:{path}, which is not read: {reason}" in result, run.explain()
    assert "/precious/" not in result
    assert not [endpoint for endpoint in run.endpoints if "mx.example.test" in endpoint]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{HOME}/fifo", "it is a fifo"),
        (f"{HOME}/huge", "it has 1099511627776 bytes"),
        (f"{HOME}/link", f"{HOME} belongs to uid {UID}"),
        ("/etc/huge", "it has 1099511627776 bytes"),
        ("/etc/fifo", "it is a fifo"),
    ],
)
@pytest.mark.usefixtures("host")
def test_certificate_file_that_root_does_not_read_is_named_with_the_reason(lab: Lab, path: str, reason: str) -> None:
    """Postfix itself opens the FIFO, so only the time shows that the audit does not."""
    run = audited(lab, "smtpd_tls_chain_files", f"/etc/ssl/postfix/main.key, {path}")
    for port in PORTS:
        assert reason in messages(run, port), run.explain()


@pytest.mark.parametrize("folder", [HOME, "/etc/ssl/eve"])
def test_key_and_certificate_of_another_user_are_distinguished(lab: Lab, host: Host, folder: str) -> None:
    """In that user's directory, and in one of root's."""
    host.shell(f"mkdir -p /etc/ssl/eve; cp -p {HOME}/tls.key {HOME}/tls.crt /etc/ssl/eve")
    run = audited(lab, "smtpd_tls_chain_files", f"{folder}/tls.key, {folder}/tls.crt")
    for port in PORTS:
        assert run.verdict(f"{MAIL2}/{port}", "svc.config-missing-file")[0] == "pass", run.explain()
        assert run.verdict(f"{MAIL2}/{port}", "key.mismatch")[0] == "pass", run.explain()


def test_file_of_another_user_is_read_with_the_rights_of_that_user(lab: Lab, host: Host) -> None:
    """The user may not read its own file, and root could."""
    host.do("chmod", "000", f"{HOME}/tls.crt")
    run = audited(lab, "smtpd_tls_chain_files", f"/etc/ssl/postfix/main.key, {HOME}/tls.crt")
    assert "its directory's owner may not read it, and root does not" in messages(run, PORTS[0]), run.explain()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{HOME}/fifo", f"{HOME} belongs to uid {UID}"),
        (f"{HOME}/link", f"{HOME} belongs to uid {UID}"),
        ("/etc/huge", "/etc/huge has 1099511627776 bytes (limit 1000000)"),
        ("/etc/fifo", "/etc/fifo is not a regular file"),
    ],
)
def test_reload_copies_no_unreadable_file_into_the_sni_table(host: Host, path: str, reason: str) -> None:
    table, key = "/etc/postfix/hostile", "/etc/ssl/postfix/second.key"
    host.write(HostFile(table, f"mx.example.test {key} {path}\n"))
    host.shell(f"postconf -e 'tls_server_sni_maps = hash:{table}'; rm -f {table}.db")
    command = INSTALLERS["postfix"].reload(MAIL2)
    began = time.monotonic()
    done = host.run("sh", "-c", command.script, "sh", *command.arguments, timeout_s=_RUN_S)
    assert time.monotonic() - began < _RUN_S / 2
    assert (done.returncode, f"hash:{table} is not built again: {reason}" in done.stdout) == (77, True), done
    assert host.run("test", "-e", f"{table}.db").returncode != 0
    assert host.run("test", "-e", OPENED).returncode != 0, "root opened the FIFO"


def test_postfix_behind_a_load_balancer_is_observed_with_the_proxy_header(lab: Lab, host: Host) -> None:
    # started anew, because it starts no process for a minute after one that failed with the settings of an earlier test
    host.shell("postconf -e smtpd_upstream_proxy_protocol=haproxy; postfix stop; postfix start")
    run = lab.audit(f"--hosts=ssh://root@{MAIL2}")
    host.shell("postconf -X smtpd_upstream_proxy_protocol; postfix reload")
    for port in PORTS:
        assert run.observed(f"{MAIL2}/{port}")["failure"] is None, run.explain()
        assert run.verdict(f"{MAIL2}/{port}", "svc.unreachable")[0] == "pass", run.explain()
