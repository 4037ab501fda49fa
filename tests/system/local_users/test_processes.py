"""Processes of an unprivileged user that look like servers: root runs nothing of theirs, and loses none of its own."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Final

import pytest

from audit.host.script import MAX_PROCESSES, composed, inspection_script, read_sections
from audit.host.trust import messages
from audit.services import LAYOUTS, SERVICES
from tests.support.hosts import attacker
from tests.support.hosts.attacker import HOME, UID, put
from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, daemons_of, running_lab, sound

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the attacker's program is machine code of x86-64"),
]
WEB1: Final = NAMES["main"].main
SLEEPERS: Final = 60
EVES_NGINX: Final = f"""daemon on; pid {HOME}/pid; error_log {HOME}/error.log;
events {{}}
http {{ access_log off;
  client_body_temp_path {HOME}/t1; proxy_temp_path {HOME}/t2; fastcgi_temp_path {HOME}/t3;
  uwsgi_temp_path {HOME}/t4; scgi_temp_path {HOME}/t5;
  server {{ listen 9443 ssl; ssl_certificate {HOME}/c.pem; ssl_certificate_key {HOME}/k.pem; }} }}
"""


@pytest.fixture(scope="module")
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "main") as running:
        _attack(running.hosts["main"], authority)
        yield running


def _attack(host: Host, authority: Authority) -> None:
    """Let the attacker start everything, then root its own nginx again: its process is younger than all of those."""
    attacker.move_in(host)
    own = authority.issue(WEB1)
    put(
        host,
        HostFile(f"{HOME}/nginx", attacker.telltale(f"{HOME}/proof-a"), 0o755),
        HostFile(f"{HOME}/nginx.conf", EVES_NGINX),
        HostFile(f"{HOME}/c.pem", own.fullchain),
        HostFile(f"{HOME}/k.pem", own.key, 0o600),
    )
    attacker.start(host, f"{HOME}/nginx", SLEEPERS)
    _start_nginx(host)
    host.shell("ln -s /usr/bin/busybox /usr/local/sbin/httpd; mkdir -p /srv/e; /usr/local/sbin/httpd -p 8086 -h /srv/e")
    old = host.read("/run/nginx.pid").strip()
    host.shell(f"nginx -s stop; while [ -e /proc/{old} ]; do sleep 0.05; done; nginx")
    host.wait_for(443, 8086)


def _start_nginx(host: Host) -> None:
    """Let the attacker start the genuine nginx with a file of its own, and then write what loads a module into it."""
    attacker.start(host, f"/usr/sbin/nginx -c {HOME}/nginx.conf")
    host.wait_for(9443)
    host.shell(f"cp /usr/lib/nginx/modules/ngx_http_echo_module.so {HOME}/module.so; chown {UID} {HOME}/module.so")
    later = EVES_NGINX.replace(f"error_log {HOME}/error.log", f"error_log {HOME}/proof-b")
    put(host, HostFile(f"{HOME}/nginx.conf", f"load_module {HOME}/module.so;\n{later}"))


@pytest.fixture(scope="module")
def run(lab: Lab) -> AuditRun:
    return lab.audit(f"--hosts=ssh://root@{WEB1}", "--audit-timeout=60")


def seen(run: AuditRun) -> dict[str, object]:
    """Return what was seen of the host as a whole."""
    (line,) = (line for line in run.lines if line["kind"] == "observation" and line["endpoint"].endswith("/"))
    return dict(line)


def test_program_of_an_unprivileged_user_never_runs_as_root(lab: Lab, run: AuditRun) -> None:
    """Fault A: a user's program called nginx ran with euid 0; fault N: its -V never ended."""
    assert run.results, run.explain()
    assert lab.hosts["main"].run("test", "-e", f"{HOME}/proof-a").returncode != 0


@pytest.mark.usefixtures("overlays")
def test_configuration_of_an_unprivileged_user_is_never_loaded_by_root(authority: Authority) -> None:
    """Fault B: a genuine nginx, started by a user with -c and a file that later held load_module, ran its module."""
    with running_lab(authority, sound(authority), "main") as lab:
        host, own = lab.hosts["main"], authority.issue(WEB1)
        attacker.move_in(host)
        put(
            host,
            HostFile(f"{HOME}/nginx.conf", EVES_NGINX),
            HostFile(f"{HOME}/c.pem", own.fullchain),
            HostFile(f"{HOME}/k.pem", own.key, 0o600),
        )
        _start_nginx(host)
        run = lab.audit(f"--hosts=ssh://root@{WEB1}")
        assert f"{WEB1}/https://{WEB1}:443" in run.endpoints, run.explain()
        assert not host.shell(f"find {HOME} -user 0").strip(), "nginx opens its log as the user it runs as"


def test_sixty_sleeping_programs_do_not_push_out_roots_server(run: AuditRun) -> None:
    """Fault M: 60 sleeping programs called nginx pushed the real one out of the list of 16."""
    names = NAMES["main"]
    for name in (names.main, names.second):
        endpoint = f"{WEB1}/https://{name}:443"
        assert endpoint in run.endpoints, run.explain()
        assert run.observed(endpoint)["service"] == "nginx"
        assert run.verdict(endpoint, "key.permissions")[0] == "pass", run.explain()
    assert {"apache", "dovecot", "exim", "pure-ftpd"} <= {
        run.observed(endpoint)["service"] for endpoint in run.endpoints
    }, run.explain()


def test_untrusted_processes_are_reported_and_their_endpoint_is_probed(run: AuditRun) -> None:
    """Faults A, B and M: what is not inspected is said, and makes inconclusive what depends on it."""
    host = seen(run)
    reported = host["not_inspected"]
    assert isinstance(reported, list)
    eves = [line for line in reported if f"belongs to uid {UID}: not inspected" in line]
    assert len(eves) == SLEEPERS + 1, reported
    assert all(line.startswith("process ") and " named nginx " in line for line in eves)
    (probed,) = (endpoint for endpoint in run.endpoints if endpoint.endswith(":9443"))
    assert run.verdict(probed, "cert.expired")[0] == "pass"
    verdict, message = run.verdict(probed, "key.permissions")
    assert verdict == "inconclusive"
    assert f"belongs to uid {UID}: not inspected" in message
    verdict, message = run.verdict(str(host["endpoint"]), "svc.unreachable")
    assert verdict == "inconclusive"
    assert message.count("not inspected") == 1, "only a process that listens can hide an endpoint"


def test_another_program_of_roots_called_httpd_is_not_taken_for_apache(run: AuditRun) -> None:
    """Fault N: `busybox httpd` was taken for Apache, and the collector read the whole file system, /dev included."""
    assert seen(run)["failure"] is None
    assert not [endpoint for endpoint in run.endpoints if endpoint.endswith(":8086")]
    elapsed = seen(run)["elapsed_s"]
    assert isinstance(elapsed, float)
    assert elapsed < 45


def test_host_costs_at_most_four_commands(run: AuditRun) -> None:
    connections = seen(run)["connections"]
    assert isinstance(connections, int)
    assert connections <= 4


@pytest.mark.usefixtures("overlays")
def test_limit_of_inspected_processes_is_reported() -> None:
    """Fault M, of root's own processes: what is beyond the limit is named."""
    with running_host("third", "files3.example.test") as host:
        host.shell("cp /usr/bin/sleep /usr/local/sbin/vsftpd")
        host.shell("n=0; while [ $n -lt 20 ]; do n=$((n + 1)); setsid vsftpd 1000 >/dev/null 2>&1 & done")
        script = composed(inspection_script(SERVICES, LAYOUTS), "WORD")
        sections = read_sections("WORD", host.do("sh", "-c", script))
    reported = messages(sections)
    assert len(reported) == 20 - MAX_PROCESSES
    assert all(
        line.endswith(f"named vsftpd: {MAX_PROCESSES} others were inspected before it: not inspected")
        for line in reported
    )


def test_every_server_of_root_is_still_found(run: AuditRun) -> None:
    ports = {port for daemon in daemons_of("main") for port in (*daemon.ports, *(one for one, _ in daemon.starttls))}
    assert ports <= {int(endpoint.rpartition(":")[2]) for endpoint in run.endpoints}, run.explain()
