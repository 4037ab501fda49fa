"""The conversation with a real host, while one of its users listens, plants files and gives rights by ACLs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, Lab, running_lab, sound

pytestmark = pytest.mark.system

WEB1 = NAMES["main"].main
SECOND = f"{WEB1}/https://{NAMES['main'].second}:443"
_KEY = "/etc/ssl/nginx/second.key"
# What a user can read of the processes of root: their words, and the environment of none.
_LISTENER = """
import glob, time
until, heard = time.monotonic() + 200, set()
while time.monotonic() < until:
    time.sleep(0.002)
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            text = open(path, "rb").read()
        except OSError:
            continue
        if text not in heard:
            heard.add(text)
            with open("/home/plain/heard", "ab") as log:
                log.write(text.replace(b"\\0", b" ") + b"\\n")
"""
_SERVICES = "".join(
    f'[[service]]\nhost = "*"\nname = "{name}"\nendpoints = ["https://{name}.example.test:{port}"]\n'
    f'certificate = "/home/plain/{name}.crt"\nkey = "/home/plain/{name}.crt"\n'
    for name, port in (("sparse", 9101), ("fifo", 9102), ("device", 9103), ("swapped", 9104))
)
_PLANTED = """
cd /home/plain
truncate -s 1T sparse.crt
mkfifo fifo.crt
ln -s /dev/zero device.crt
touch swapped.crt
chown -h plain: *.crt
"""
_SWAPPING = """
cd /home/plain
while sleep 0.002; do rm -f swapped.crt; mkfifo swapped.crt; rm -f swapped.crt; echo x >swapped.crt; done
"""


@pytest.fixture(scope="module")
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    with running_lab(authority, sound(authority), "main") as running:
        yield running


@pytest.fixture
def web1(lab: Lab) -> Host:
    return lab.hosts["main"]


def end(host: Host, process: subprocess.Popen[str]) -> None:
    """End all processes of the user on the host: changing the uid took away the signal at our own end."""
    host.run(*as_plain("sh", "-c", "kill -KILL -1"))
    process.kill()
    process.communicate()


def as_plain(*argv: str) -> tuple[str, ...]:
    return ("setpriv", "--reuid=plain", "--regid=plain", "--clear-groups", *argv)


def test_process_list_shows_a_user_neither_nonce_nor_script(lab: Lab, web1: Host) -> None:
    web1.shell(f"chmod 666 {_KEY}")
    listener = web1.start(*as_plain("python3", "-c", _LISTENER))
    try:
        run = lab.audit(f"--hosts=ssh://root@{WEB1}")
    finally:
        end(web1, listener)
        web1.shell(f"chmod 600 {_KEY}")
    assert run.verdict(SECOND, "key.permissions")[0] == "fail", run.explain()
    heard = web1.read("/home/plain/heard")
    assert "sh -s" in heard
    assert "sslaudit-" not in heard
    assert "section" not in heard


def test_files_of_a_user_block_neither_the_host_nor_other_services(lab: Lab, web1: Host) -> None:
    web1.shell(_PLANTED)
    lab.auditor.write(HostFile("/root/services.toml", _SERVICES, 0o600))
    swapping = web1.start(*as_plain("sh", "-c", _SWAPPING))
    began = time.monotonic()
    try:
        run = lab.audit(f"--hosts=ssh://root@{WEB1}", "--audit-config=/root/services.toml")
    finally:
        end(web1, swapping)
    assert time.monotonic() - began < 120
    assert run.verdict(SECOND, "key.permissions")[0] == "pass", run.explain()
    result = {
        name: run.result(f"{WEB1}/https://{name}.example.test:{port}", "svc.config-missing-file")
        for name, port in (("sparse", 9101), ("fifo", 9102), ("device", 9103))
    }
    assert result["sparse"]["verdict"] == "inconclusive"
    assert "1099511627776 bytes" in result["sparse"]["message"]
    assert [result[name]["verdict"] for name in ("fifo", "device")] == ["fail", "fail"]
    assert "is not a regular file (it is a fifo)" in result["fifo"]["message"]


@pytest.mark.parametrize(
    ("change", "exposed"),
    [
        (f"setfacl -m u:plain:r {_KEY}", "its ACL lets the user plain read it"),
        (f"setfacl -m g:plain:rw {_KEY}", "its ACL lets the group plain read it"),
        (f"chgrp plain {_KEY}; setfacl -m g::---,u:www-data:r {_KEY}", None),
        (f"setfacl -m u:plain:rw,m::--- {_KEY}", None),
    ],
)
def test_acl_of_a_key_is_judged_and_not_its_mask(lab: Lab, web1: Host, change: str, exposed: str | None) -> None:
    web1.shell(change)
    try:
        run = lab.audit(f"--hosts=ssh://root@{WEB1}")
    finally:
        web1.shell(f"setfacl -b {_KEY}; chgrp root {_KEY}; chmod 600 {_KEY}")
    verdict, message = run.verdict(SECOND, "key.permissions")
    assert verdict == ("fail" if exposed else "pass"), run.explain()
    assert exposed is None or exposed in message
