"""Chains made whole, renewals by the owner and the way back, on a real nginx by the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

from tests.support.hosts import audit_run as auditing
from tests.support.hosts.command_host import Commanded
from tests.support.hosts.daemons import DAEMONS
from tests.support.hosts.fleet import WEB1, WWW, leaf_of, running_fleet
from tests.support.hosts.host import Host, HostFile, connect, name_hosts, running_host
from tests.support.hosts.openssl_client import served
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.real_lab import NAMES, serve
from tests.support.remediate.chain_services import pointing_to
from tests.support.remediate.fake_host.ca import DAY
from tests.support.store.issuance import to_pem
from tests.support.x509.ca import Leaf, issue

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NGINX: Final = next(daemon for daemon in DAEMONS if daemon.name == "nginx")
ADDRESS: Final = "198.18.0.2"
LIVE: Final = f"/etc/letsencrypt/live/{WEB1}"
ARCHIVE: Final = f"/etc/letsencrypt/archive/{WEB1}"
ASKED: Final = f"renew --cert-name {WEB1} --non-interactive --no-random-sleep-on-renew"
# As strict as certbot's own parser: another word is a usage error, with its exit status.
CERTBOT: Final = f"""#!/bin/sh
echo "$*" >>/run/certbot.asked
[ "$*" = "{ASKED}" ] || {{ echo "certbot: error: unrecognized arguments: $*" >&2; exit 2; }}
[ ! -e /run/certbot.lock ] || {{ echo "Another instance of Certbot is already running." >&2; exit 1; }}
[ -e /root/next/fullchain.pem ] || {{ echo "Certificate not yet due for renewal"; exit 0; }}
umask 077
cp /root/next/fullchain.pem {ARCHIVE}/fullchain2.pem
cp /root/next/privkey.pem {ARCHIVE}/privkey2.pem
for name in fullchain privkey; do
  ln -s ../../archive/{WEB1}/${{name}}2.pem {LIVE}/$name.new
  mv -T {LIVE}/$name.new {LIVE}/$name.pem
done
echo "Congratulations, all renewals succeeded:"
"""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def hosted(stack: ExitStack, authority: Authority) -> Commanded:
    """Start a host that has an address its name leads to, and trusts the CA."""
    host = stack.enter_context(running_host("main", WEB1))
    host.shell(f"ip addr add {ADDRESS}/32 dev lo")
    name_hosts(host, {WEB1: (ADDRESS,), WWW: (ADDRESS,)})
    auditing.trust(host, authority.anchor)
    return Commanded(host)


def publishing(stack: ExitStack, web1: Host, authority: Authority) -> Host:
    """Start the CA's website on a host of its own, with the intermediate as PKCS#7."""
    ca = stack.enter_context(running_host("main", "ca.example.test"))
    address = connect(web1, ca, 1)
    name_hosts(web1, {WEB1: (ADDRESS,), WWW: (ADDRESS,), "ca.example.test": (address,)})
    published = serialize_certificates([authority.root.certificate, authority.intermediate.certificate], Encoding.DER)
    ca.write(
        HostFile("/var/www/html/issuer.p7c", published),
        HostFile(
            "/etc/nginx/nginx.conf",
            "events {}\nhttp { access_log /run/asked; server { listen 80; root /var/www/html; } }\n",
        ),
    )
    ca.shell("nginx")
    ca.wait_for(80)
    return ca


def without_chain(authority: Authority) -> Credential:
    """Return a good certificate that says where its issuer's is, and nothing above it."""
    extra = pointing_to("http://ca.example.test/issuer.p7c")
    identity = issue(Leaf(WEB1, (WEB1,), authority.now - DAY, 60 * DAY, extra=extra), authority.intermediate)
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Credential(to_pem(identity.certificate), "", key)


def wrong(commanded: Commanded) -> set[str]:
    """Return the checks that an audit finds wrong at the website's own name."""
    found = commanded.audit().with_verdict("fail", "error")
    return {check for endpoint, check in found if endpoint.endswith(f"{WEB1}:443")}


def test_incomplete_chain_is_completed_if_downloads_are_allowed(stack: ExitStack, authority: Authority) -> None:
    commanded = hosted(stack, authority)
    web1, credential = commanded.host, without_chain(authority)
    ca = publishing(stack, web1, authority)
    serve(web1, NGINX, NAMES["main"], (credential, authority.self_signed(WWW)))  # whose chain is of no help
    commanded.configure("[remediate]\nverify_timeout_s = 10\n")
    planned = commanded.plan()
    assert [(case["repair"], case["names"]) for case in planned["cases"]] == [("rechain", [WEB1])], planned
    refused = commanded.apply()
    assert (refused.status, "no certificate may make" in refused.output) == (
        1,
        True,
    ), refused
    assert ca.read("/run/asked") == ""
    commanded.configure("[fetch]\nallow_private = true\n[remediate]\nverify_timeout_s = 10\n")
    web1.shell("rm -rf /run/state")  # and with it what it remembers: it would wait two hours
    key = web1.read("/etc/ssl/nginx/main.key")
    repaired = commanded.apply()
    assert (repaired.status, "repaired" in repaired.output) == (0, True), repaired
    assert served(web1, 443, WEB1) == (leaf_of(credential), authority.intermediate.certificate)
    assert web1.read("/etc/ssl/nginx/main.key") == key
    assert ca.read("/run/asked").count("GET /issuer.p7c") == 1
    assert "chain.incomplete" not in wrong(commanded)
    rolled_back = commanded.roll_back(planned["cases"][0]["id"])
    assert (rolled_back.status, served(web1, 443, WEB1)) == (0, (leaf_of(credential),)), rolled_back


def why_left(planned: Any, check: str) -> str:  # noqa: ANN401 - any JSON
    """Return why what is found wrong at the website is left as it is."""
    found = (one for one in planned["explained"] if one["check"] == check and one["endpoint"].endswith(f"{WEB1}:443"))
    return str(next(found)["why"])


def planted_for_certbot(commanded: Commanded, expired: Credential, second: Credential) -> None:
    """Let nginx serve an expired certificate from certbot's folders."""
    web1 = commanded.host
    serve(web1, NGINX, NAMES["main"], (expired, second))
    web1.write(
        HostFile(f"{ARCHIVE}/fullchain1.pem", expired.fullchain),
        HostFile(f"{ARCHIVE}/privkey1.pem", expired.key, 0o600),
        HostFile("/usr/local/bin/certbot", CERTBOT, 0o755),
    )
    web1.shell(
        f"mkdir -p {LIVE}; for name in fullchain privkey; do "
        f"ln -s ../../archive/{WEB1}/${{name}}1.pem {LIVE}/$name.pem; done;"
        f"sed -i 's|/etc/ssl/nginx/main.crt|{LIVE}/fullchain.pem|; s|/etc/ssl/nginx/main.key|{LIVE}/privkey.pem|' "
        "/etc/nginx/nginx.conf; nginx -s reload"
    )


def test_certificate_of_certbot_is_renewed_by_certbot_if_configured(stack: ExitStack, authority: Authority) -> None:
    commanded = hosted(stack, authority)
    web1, renewed = commanded.host, authority.issue(WEB1)
    planted_for_certbot(commanded, authority.issue(WEB1, begins=-90, lasts=60), authority.issue(WWW))
    before = served(web1, 443, WEB1)
    commanded.configure("[remediate]\nverify_timeout_s = 10\n")
    planned = commanded.plan()
    assert (planned["cases"], why_left(planned, "cert.expired")) == ([], "certbot owns this certificate and renews it")
    commanded.configure('[remediate]\nforeign = "run-owner"\nverify_timeout_s = 10\n')
    assert [case["repair"] for case in commanded.plan()["cases"]] == ["run-owner"]
    failed = commanded.apply()
    assert (failed.status, "Certificate not yet due for renewal" in failed.output) == (1, True), failed
    assert served(web1, 443, WEB1) == before
    web1.write(
        HostFile("/root/next/fullchain.pem", renewed.fullchain), HostFile("/root/next/privkey.pem", renewed.key, 0o600)
    )
    web1.shell("rm -rf /run/state")
    repaired = commanded.apply()
    assert (repaired.status, web1.read("/run/certbot.asked")) == (0, f"{ASKED}\n{ASKED}\n"), repaired
    assert served(web1, 443, WEB1)[0] == leaf_of(renewed)
    assert web1.shell(f"readlink {LIVE}/fullchain.pem").strip() == f"../../archive/{WEB1}/fullchain2.pem"
    assert "cert.expired" not in wrong(commanded)


def test_rollback_on_two_services_fails_no_handshake(authority: Authority) -> None:
    with running_fleet(authority, "nginx", "dovecot", over_ssh=False) as fleet:
        commanded = Commanded(fleet.web1, tuple(fleet.anchors))
        fleet.web1.write(HostFile("/run/audit/token", fleet.access["token"], 0o600))
        commanded.configure(
            f'[issuer.store]\nkind = "store"\nbase_url = "{fleet.access["base_url"]}"\ntoken = {{ file = "token" }}\n'
            '[remediate]\nissuer = "store"\nverify_timeout_s = 10\n'
        )
        (case,) = commanded.plan()["cases"]
        with fleet.watching() as watch:
            assert commanded.apply().status == 0
            (new,) = fleet.leaves()
            rolled_back = commanded.roll_back(case["id"])
            assert (rolled_back.status, "rolled back" in rolled_back.output) == (0, True), rolled_back
            assert {len(set(leaves)) for leaves in watch.saw_no_failure().values()} == {2}
        assert fleet.leaves() == {leaf_of(fleet.planted.old)} != {new}
        again = commanded.roll_back(case["id"])
        assert (again.status, "rollback.nothing" in again.output) == (1, True), again
        assert fleet.orders() == 1
