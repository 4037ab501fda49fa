"""The state of a cPanel host is read from its files, of each only the lines that are needed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.host.cpanel import CPANEL_SCRIPT, read_cpanel_state
from audit.host.script import prologue, read_sections
from audit.json_codec import from_json, to_json
from audit.observation import HostView, Observation
from audit.observation.cpanel import CpanelState
from audit.observation.firewall import Firewall, Token
from tests.support.endpoint_facts import HOST
from tests.support.evidence import NOW

VERSION = "/usr/local/cpanel/version"
OFF = "/var/cpanel/ssl/disable_service_certificate_management"
SECRET = "must-not-leave"
NOBODY = 65534


@contextlib.contextmanager
def new_root() -> Iterator[Path]:
    """Make a directory that stands for `/` and that every user can read."""
    folder = Path(tempfile.mkdtemp(prefix="cpanel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def root() -> Iterator[Path]:
    with new_root() as folder:
        yield folder


def put(root: Path, files: Mapping[str, str]) -> None:
    """Write files below the directory."""
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def printed_by_host(root: Path, shell: str = "sh", *, as_nobody: bool = False) -> str:
    """Return what a host with that directory as `/` prints."""
    beside = f"section uid id -un\nsection cpanel cat {VERSION}\nsection fqdn echo panel.example.com\n"
    below = re.sub(r"(?<![\w$}@])/(?=(?:etc|root|var|usr|lib|proc)/)", f"{root}/", beside + CPANEL_SCRIPT)
    below = f"PATH={root}/bin:/usr/bin:/bin\n{below}"  # leaves the firewall of this machine alone
    user = NOBODY if as_nobody else None
    whole = prologue("WORD") + below
    done = subprocess.run([shell, "-c", whole], capture_output=True, text=True, check=False, user=user, group=user)
    return done.stdout.replace(str(root), "")


def state_of(root: Path, shell: str = "sh", *, as_nobody: bool = False) -> CpanelState | None:
    """Return the state that is read from what the host prints."""
    return read_cpanel_state(read_sections("WORD", printed_by_host(root, shell, as_nobody=as_nobody)))


def panel(root: Path, files: Mapping[str, str]) -> CpanelState:
    """Return the state of a cPanel host with these files, the same with either shell; no secret leaves the host."""
    put(root, {VERSION: "11.130.0.5\n", **files})
    outputs = [printed_by_host(root, shell) for shell in ("dash", "bash")]
    assert not any(SECRET in output for output in outputs)
    first, second = (read_cpanel_state(read_sections("WORD", output)) for output in outputs)
    assert first is not None
    assert first == second
    return first


def test_host_without_the_panel_runs_no_panel_commands(root: Path) -> None:
    put(root, {"/etc/wwwacct.conf": "CONTACTEMAIL admin@example.com\n", OFF: ""})
    assert not re.search("begin (state|firewall)[.]", printed_by_host(root))
    assert state_of(root) is None


def test_panel_without_any_setup_has_an_empty_state(root: Path) -> None:
    empty = panel(root, {})
    assert empty == CpanelState("11.130.0.5")
    assert (empty.firewall, empty.missing("firewall")) == (Firewall(), ())


@pytest.mark.parametrize(
    ("files", "contacts"),
    [
        ({"/etc/wwwacct.conf": "CONTACTEMAIL \n", "/root/.forward": "ops@example.com\n"}, ("ops@example.com",)),
        ({"/root/.forward": "|/usr/bin/vacation, \\root\n"}, ("root@panel.example.com",)),
        ({"/etc/wwwacct.conf": "#CONTACTEMAIL a@example.com\n"}, ()),
    ],
)  # fmt: skip
def test_contact_comes_from_the_panel_or_the_forward_of_root(
    root: Path, files: dict[str, str], contacts: tuple[str, ...]
) -> None:  # fmt: skip
    assert panel(root, files).contacts == contacts


def test_timer_counts_only_if_it_is_enabled(root: Path) -> None:
    units = root / "etc/systemd/system"
    files = {
        "/etc/systemd/system/sslaudit-checkallsslcerts.timer": "[Timer]\nOnCalendar=daily\n",
        "/etc/systemd/system/nightly.service": f"[Service]\nEnvironment={SECRET}\nExecStart=/scripts/upcp --cron\n",
        "/etc/systemd/system/nightly.timer": "[Timer]\nOnCalendar=daily\n",
    }
    assert panel(root, files).schedules == ()
    (units / "timers.target.wants").mkdir()
    for name in ("sslaudit-checkallsslcerts.timer", "nightly.timer"):
        (units / "timers.target.wants" / name).symlink_to(f"/etc/systemd/system/{name}")
    wants = "/etc/systemd/system/timers.target.wants"
    assert panel(root, {}).schedules == (
        f"{wants}/nightly.timer: ExecStart=/scripts/upcp --cron",
        f"{wants}/sslaudit-checkallsslcerts.timer: enabled",
    )


def test_number_of_listed_validation_files_is_limited(root: Path) -> None:
    folder = "/var/www/html/.well-known/pki-validation"
    put(root, {f"{folder}/{number}.txt": "" for number in range(520)} | {VERSION: "1"})
    found = state_of(root)
    assert found
    assert len(found.tokens) == 500


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_files_that_the_login_cannot_read_are_named(root: Path) -> None:
    put(
        root,
        {VERSION: "1", OFF: "", "/var/spool/cron/crontabs/root": "", "/etc/wwwacct.conf": "", "/root/.forward": ""},
    )
    for place, mode in (("var/cpanel/ssl", 0o700), ("var/spool/cron/crontabs", 0o730), ("etc/wwwacct.conf", 0o600),
                        ("root", 0o700)):  # fmt: skip
        (root / place).chmod(mode)
    found = state_of(root, as_nobody=True)
    assert found
    assert found.missing("switches") == ("nobody may not read /var/cpanel/ssl",)
    assert found.missing("contacts") == ("nobody may not read /etc/wwwacct.conf", "nobody may not read /root")
    assert found.missing("schedules") == ("nobody may not read /var/spool/cron/crontabs",)
    assert found.missing("tokens") == ()


def test_truncated_output_leaves_missing_sections_unknown(root: Path) -> None:
    put(root, {VERSION: "1"})
    whole = printed_by_host(root)
    cut = read_cpanel_state(read_sections("WORD", whole[: whole.index("begin state.schedules") + 30]))
    assert cut
    assert cut.missing("contacts") == ()
    assert cut.missing("schedules") == ("the host's response about it was cut off",)


NFT = """#!/bin/sh
echo '{"nftables": [{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "prio": 0,'
echo '"policy": "drop"}}, {"chain": {"family": "inet", "table": "own", "name": "in", "hook": "input", "prio": 0,'
echo '"policy": "accept"}}]}'
"""
IPTABLES = """#!/bin/sh
printf '# Generated by iptables-save v1.8.9 (nf_tables) on X\\n*filter\\n:INPUT ACCEPT [0:0]\\n:LOCALINPUT - [0:0]\\n'
printf -- '-A INPUT -j LOCALINPUT\\nCOMMIT\\n'
"""
CSF = 'TESTING = "0"\nTCP_IN = "443"\nCC_DENY = "CN"\nUI_PASS = "' + SECRET + '"\n'


def with_programs(root: Path, **programs: str) -> None:
    """Put programs where the host finds them."""
    put(root, {f"/bin/{name.replace('_', '-')}": text for name, text in programs.items()})
    for name in programs:
        (root / "bin" / name.replace("_", "-")).chmod(0o755)


def test_iptables_rules_are_read_once_although_nftables_lists_them_too(root: Path) -> None:
    with_programs(root, nft=NFT, iptables_save=IPTABLES)
    tables = [(chain.table, chain.name, chain.policy) for chain in panel(root, {}).firewall.chains]
    assert tables == [
        ("nftables, table inet own", "in", "accept"),
        ("iptables, table filter", "INPUT", "accept"),
        ("iptables, table filter", "LOCALINPUT", "accept"),
    ]


def test_inactive_csf_adds_no_rules(root: Path) -> None:
    with_programs(root, iptables_save=IPTABLES.replace("LOCALINPUT", "OTHER"))
    assert panel(root, {"/etc/csf/csf.conf": CSF}).firewall.countries == ()


def test_login_that_cannot_read_the_rules_falls_back_to_csf(root: Path) -> None:
    denied = "#!/bin/sh\necho 'Operation not permitted (you must be root)' >&2; exit 1\n"
    with_programs(root, nft=denied, iptables_save=denied)
    found = panel(root, {"/etc/csf/csf.conf": CSF, "/etc/csf/csf.allow": "", "/etc/csf/csf.deny": ""})
    assert [chain.table for chain in found.firewall.chains] == ["csf"]
    message = "root gets no list of rules by 'nft -j list ruleset': Operation not permitted (you must be root)"
    assert message in found.missing("firewall")


@pytest.mark.parametrize(("text", "is_read"), [("", True), ("hook input priority 0", False)])
def test_old_nft_without_json_is_accepted_if_it_has_no_hooks(root: Path, text: str, is_read: bool) -> None:  # noqa: FBT001 - a parameter
    with_programs(root, nft=f'#!/bin/sh\n[ "$1" = -j ] && exit 1\necho "{text}"\n')
    assert (panel(root, {}).missing("firewall") == ()) is is_read


def test_unreadable_rules_are_not_taken_for_an_empty_list(root: Path) -> None:
    with_programs(root, nft='#!/bin/sh\necho \'{"nftables": [{"rule\'\n')
    (why,) = panel(root, {}).missing("firewall")
    assert why.startswith("root cannot read the output of 'nft -j list ruleset': ")


UPCP = "17 3 * * * /usr/local/cpanel/scripts/upcp --cron"
OTHER_OFF = "/var/cpanel/ssl/disable_auto_hostname_certificate"
TOKEN = "/var/www/html/.well-known/pki-validation/4221C402112E4831C72C2E004614C47C.txt"
OLD_TOKEN = "/usr/local/apache/htdocs/.well-known/pki-validation/a b.txt"
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BUSY = {
    OFF: "",
    OTHER_OFF: "",
    "/etc/wwwacct.conf": f"HOST x\nCONTACTEMAIL  a@example.com, b\nPASS {SECRET}\n",
    "/var/spool/cron/root": f"{UPCP}\n5 5 * * * backup --password {SECRET}\n",
    "/var/spool/cron/crontabs/root": f"# {UPCP}\n",
    "/etc/cron.d/other": "MAILTO=sslaudit@example.com\nPATH = /opt/sslaudit/bin\n1 2 * * * root true\n",
    "/etc/cron.d/sslaudit": "RANDOM_DELAY=60\n3 4 * * * root checkallsslcerts --allow-retry\n",
    "/etc/cron.daily/other": f"#!/bin/sh\nrun {SECRET}\n",
    TOKEN: SECRET,
    OLD_TOKEN: SECRET,
    "/etc/csf/csf.conf": CSF,
    "/etc/csf/csf.allow": f"192.0.2.1 # {SECRET}\n# x\n",
    "/etc/csf/csf.deny": "",
}


@pytest.fixture(scope="module")
def busy() -> Iterator[CpanelState]:
    """Return the state of a cPanel host with something of everything."""
    with new_root() as root:
        put(root, BUSY)
        for path in (TOKEN, OLD_TOKEN):
            os.utime(root / path[1:], (CREATED.timestamp(), CREATED.timestamp()))
        with_programs(root, iptables_save=IPTABLES)
        yield panel(root, {})


def test_touch_files_and_contacts_are_found(busy: CpanelState) -> None:
    assert busy.switched_off == (OTHER_OFF, OFF)
    assert busy.contacts == ("a@example.com", "b@panel.example.com")


def test_only_active_lines_that_run_the_program_are_schedules(busy: CpanelState) -> None:
    assert busy.schedules == (
        f"/var/spool/cron/root: {UPCP}",
        "/etc/cron.d/sslaudit: 3 4 * * * root checkallsslcerts --allow-retry",
    )


def test_validation_files_are_listed_with_time_and_without_content(busy: CpanelState) -> None:
    assert busy.tokens == (Token(TOKEN, CREATED), Token(OLD_TOKEN, CREATED))


def test_only_ports_and_addresses_of_csf_leave_the_host(busy: CpanelState) -> None:
    found = busy.firewall
    assert (found.kept_by, found.countries) == ("csf", ('CC_DENY = "CN" in /etc/csf/csf.conf',))
    assert "csf" not in {chain.table for chain in found.chains}  # iptables has the rules that csf made


def test_state_is_the_same_after_it_was_stored_as_evidence(busy: CpanelState) -> None:
    observation = Observation(HOST, NOW, server=HostView("web1", "ssh://root@web1", cpanel=busy))
    assert from_json(Observation, to_json(observation)) == observation
