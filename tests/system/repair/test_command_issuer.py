"""pytest --remediate orders from the internal CA of docs/issuers.md for a real nginx, also with a challenge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import pytest
from cryptography import x509

from tests.support.hosts import ssh_login as login
from tests.support.hosts.audit_run import ANCHOR, AuditRun
from tests.support.hosts.fleet import Fleet, running_fleet
from tests.support.hosts.host import HostFile
from tests.support.hosts.nightly_repair import FOLDER, Night, rows
from tests.support.hosts.pki import Authority
from tests.support.remediate.own_programs import ca_files, ca_script
from tests.support.store.issuance import found_authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

CA: Final = "/var/lib/internal-ca"
ZONE: Final = "/var/lib/zone"
INTERNAL: Final = found_authority(datetime.now(UTC).replace(microsecond=0), "Internal")
CONFIGURATION: Final = """hosts = ["{hostspec}"]
trust = ["{anchor}", "{ca}/ca.crt"]
results = "results.jsonl"
state = "{state}"
inconclusive = "report"
[issuer.internal]
kind = "command"
command = ["/usr/local/bin/issue"]
[solver.zone]
kind = "command"
types = ["dns-01"]
present = ["/usr/local/bin/zone", "add"]
clean_up = ["/usr/local/bin/zone", "delete"]
[remediate]
issuer = "internal"
verify_timeout_s = 20
"""
_CHALLENGE: Final = '{"type": "dns-01", "identifier": "%s", "token": "_acme-challenge", "content": "x"},'
_PENDING: Final = '{"status": "pending", "retry_after_s": 0, "challenges": [%s]}'
PRESENTED_FIRST: Final = f"""missing=
for name in $(echo "$SSLAUDIT_NAMES" | tr , ' '); do
  [ -e {ZONE}/$name ] || missing="$missing $(printf '{_CHALLENGE}' "$name")"
done
if [ "$missing" ]; then
  printf '{_PENDING}' "${{missing%,}}"
  exit 0
fi
"""
SOLVER: Final = f"""#!/bin/sh
echo "$1 $SSLAUDIT_CHALLENGE_TYPE $SSLAUDIT_IDENTIFIER" >>{ZONE}.log
case $1 in
  add) printf '%s' "$SSLAUDIT_CONTENT" >"{ZONE}/$SSLAUDIT_IDENTIFIER" ;;
  delete) rm -f "{ZONE}/$SSLAUDIT_IDENTIFIER" ;;
esac
"""


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", over_ssh=True) as running:
        running.near.shell(f"mkdir -p -m 700 {CA}/issued {ZONE}")
        yield running


def repaired(fleet: Fleet, first: str = "", *, mode: str = "--remediate") -> AuditRun:
    """Repair the expired certificate of nginx with an internal CA that runs these lines of shell first."""
    script = ca_script().replace("set -eu\n", f"set -eu\necho called >>{CA}.log\n{first}", 1)
    text = CONFIGURATION.format(hostspec=fleet.hostspec, anchor=ANCHOR, ca=CA, state=f"state-{len(first)}")
    fleet.near.write(
        *(HostFile(f"{CA}/{name}", content, 0o600) for name, content in ca_files(INTERNAL).items()),
        HostFile("/usr/local/bin/issue", script, 0o755),
        HostFile("/usr/local/bin/zone", SOLVER, 0o755),
        HostFile(f"{FOLDER}/sslaudit.toml", text),
    )
    fleet.near.shell(f"rm -rf {CA}/issued/* {CA}.log {ZONE}.log")
    fleet.begin_again()
    return Night(fleet.near).run(mode=mode)


def served_by_internal_ca(fleet: Fleet) -> bool:
    """Return whether nginx serves one certificate that the internal CA issued."""
    (leaf,) = fleet.leaves()
    assert isinstance(leaf, x509.Certificate)
    return leaf.issuer == INTERNAL.root.certificate.subject


def test_audit_and_repair_share_one_login(fleet: Fleet) -> None:
    logins, sessions = _logins(fleet), login.sessions(fleet.web1)
    run = repaired(fleet)
    assert {row["outcome"] for row in rows(run, "remediation")} == {"proven"}, run.explain()
    assert _logins(fleet) - logins == 1
    assert login.sessions(fleet.web1) - sessions > 5  # the audit needs two


def _logins(fleet: Fleet) -> int:
    return fleet.web1.read(login.LOG).count("Accepted publickey")


def test_certificate_of_the_internal_ca_is_served_after_one_call(fleet: Fleet) -> None:
    run = repaired(fleet)
    assert {row["outcome"] for row in rows(run, "remediation")} == {"proven"}, run.explain()
    assert served_by_internal_ca(fleet)
    assert fleet.near.read(f"{CA}.log").split() == ["called"]
    expired = [row["verdict"] for row in run.results if (row["check"], row["phase"]) == ("cert.expired", "after")]
    assert set(expired) == {"pass"}


def test_challenges_of_the_internal_ca_are_presented_and_removed(fleet: Fleet) -> None:
    run = repaired(fleet, PRESENTED_FIRST)
    assert {row["outcome"] for row in rows(run, "remediation")} == {"proven"}, run.explain()
    assert served_by_internal_ca(fleet)
    actions = fleet.near.read(f"{ZONE}.log").splitlines()
    added = [line.removeprefix("add ") for line in actions if line.startswith("add ")]
    assert added
    assert actions == [*(f"add {one}" for one in added), *(f"delete {one}" for one in added)]
    assert fleet.near.shell(f"ls {ZONE}") == ""


def test_dry_run_prints_the_program_and_leaves_the_old_certificate(fleet: Fleet) -> None:
    run = repaired(fleet, mode="--remediate-dry-run")
    assert "/usr/local/bin/issue" in run.output
    assert "SSLAUDIT_NAMES=" in run.output
    assert not served_by_internal_ca(fleet)
    assert fleet.near.shell(f"ls {CA}.log 2>/dev/null || :") == ""


def test_program_that_others_can_change_is_a_usage_error(fleet: Fleet) -> None:
    repaired(fleet, mode="--remediate-dry-run")
    fleet.near.shell("chmod 777 /usr/local/bin/issue")
    run = Night(fleet.near).run()
    assert "issuer.internal.command: others can change it" in run.output
    assert run.status == 4
    assert not served_by_internal_ca(fleet)
