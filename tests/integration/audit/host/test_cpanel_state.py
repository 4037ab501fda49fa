"""What a panel's server reports of its state: from its files, of each only the lines that are needed."""

from __future__ import annotations

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
from audit.observation.cpanel import CpanelState, Token
from audit.observation.firewall import Firewall
from tests.support.endpoint_facts import HOST
from tests.support.evidence import NOW

VERSION = "/usr/local/cpanel/version"
OFF = "/var/cpanel/ssl/disable_service_certificate_management"
SECRET = "must-not-leave"
NOBODY = 65534


@pytest.fixture
def root() -> Iterator[Path]:
    """Give a folder that stands for `/`, into which everybody may look."""
    folder = Path(tempfile.mkdtemp(prefix="cpanel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def put(root: Path, files: Mapping[str, str]) -> None:
    """Write files below the folder."""
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def asked(root: Path, shell: str = "sh", *, as_nobody: bool = False) -> str:
    """Return what the host would print whose `/` is that folder."""
    beside = f"section uid id -un\nsection cpanel cat {VERSION}\nsection fqdn echo panel.example.com\n"
    below = re.sub(r"(?<![\w$}@])/(?=(?:etc|root|var|usr|lib|proc)/)", f"{root}/", beside + CPANEL_SCRIPT)
    below = f"PATH={root}/bin:/usr/bin:/bin\n{below}"  # the machine's own firewall is nobody's business here
    user = NOBODY if as_nobody else None
    whole = prologue("WORD") + below
    done = subprocess.run([shell, "-c", whole], capture_output=True, text=True, check=False, user=user, group=user)
    return done.stdout.replace(str(root), "")


def told(root: Path, shell: str = "sh", *, as_nobody: bool = False) -> CpanelState | None:
    """Return what is read of what the host prints."""
    return read_cpanel_state(read_sections("WORD", asked(root, shell, as_nobody=as_nobody)))


def panel(root: Path, files: Mapping[str, str]) -> CpanelState:
    """Return what a panel's server with these files tells, whichever shell it has."""
    put(root, {VERSION: "11.130.0.5\n", **files})
    first, second = told(root, "dash"), told(root, "bash")
    assert first is not None
    assert first == second
    return first


def test_a_host_without_the_panel_is_asked_nothing(root: Path) -> None:
    put(root, {"/etc/wwwacct.conf": "CONTACTEMAIL admin@example.com\n", OFF: ""})
    assert not re.search("begin (state|firewall)[.]", asked(root))
    assert told(root) is None


def test_a_panel_where_nothing_is_set_up_says_so(root: Path) -> None:
    assert panel(root, {}) == CpanelState("11.130.0.5")


def test_touch_files_are_found(root: Path) -> None:
    other = "/var/cpanel/ssl/disable_auto_hostname_certificate"
    assert panel(root, {OFF: "", other: ""}).switched_off == (other, OFF)


@pytest.mark.parametrize(
    ("files", "contacts"),
    [
        ({"/etc/wwwacct.conf": f"HOST x\nCONTACTEMAIL  a@example.com, b\nPASS {SECRET}\n"},
         ("a@example.com", "b@panel.example.com")),
        ({"/etc/wwwacct.conf": "CONTACTEMAIL \n", "/root/.forward": "ops@example.com\n"}, ("ops@example.com",)),
        ({"/root/.forward": "|/usr/bin/vacation, \\root\n"}, ("root@panel.example.com",)),
        ({"/etc/wwwacct.conf": "#CONTACTEMAIL a@example.com\n"}, ()),
    ],
)  # fmt: skip
def test_a_contact_is_the_panels_or_roots_forward(
    root: Path, files: dict[str, str], contacts: tuple[str, ...]
) -> None:  # fmt: skip
    assert panel(root, files).contacts == contacts
    assert SECRET not in asked(root)


def test_only_lines_that_run_it_are_schedules_and_comments_are_none(root: Path) -> None:
    upcp = "17 3 * * * /usr/local/cpanel/scripts/upcp --cron"
    files = {
        "/var/spool/cron/root": f"{upcp}\n5 5 * * * backup --password {SECRET}\n",
        "/var/spool/cron/crontabs/root": f"# {upcp}\n",
        "/etc/cron.d/other": "MAILTO=sslaudit@example.com\nPATH = /opt/sslaudit/bin\n1 2 * * * root true\n",
        "/etc/cron.d/sslaudit": "RANDOM_DELAY=60\n3 4 * * * root checkallsslcerts --allow-retry\n",
        "/etc/cron.daily/other": f"#!/bin/sh\nrun {SECRET}\n",
    }
    assert panel(root, files).schedules == (
        f"/var/spool/cron/root: {upcp}",
        "/etc/cron.d/sslaudit: 3 4 * * * root checkallsslcerts --allow-retry",
    )
    assert SECRET not in asked(root)


def test_a_timer_counts_where_it_is_enabled(root: Path) -> None:
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
    assert SECRET not in asked(root)


def test_proofs_are_told_with_their_time_and_never_with_their_content(root: Path) -> None:
    token = "/var/www/html/.well-known/pki-validation/4221C402112E4831C72C2E004614C47C.txt"
    old = "/usr/local/apache/htdocs/.well-known/pki-validation/a b.txt"
    put(root, {token: SECRET, old: SECRET})
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for path in (token, old):
        os.utime(root / path[1:], (when.timestamp(), when.timestamp()))
    assert panel(root, {}).tokens == (Token(token, when), Token(old, when))
    assert SECRET not in asked(root)


def test_of_very_many_proofs_some_are_told(root: Path) -> None:
    folder = "/var/www/html/.well-known/pki-validation"
    put(root, {f"{folder}/{number}.txt": "" for number in range(520)} | {VERSION: "1"})
    found = told(root)
    assert found
    assert len(found.tokens) == 500


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_what_a_login_may_not_read_is_named(root: Path) -> None:
    put(
        root,
        {VERSION: "1", OFF: "", "/var/spool/cron/crontabs/root": "", "/etc/wwwacct.conf": "", "/root/.forward": ""},
    )
    for place, mode in (("var/cpanel/ssl", 0o700), ("var/spool/cron/crontabs", 0o730), ("etc/wwwacct.conf", 0o600),
                        ("root", 0o700)):  # fmt: skip
        (root / place).chmod(mode)
    found = told(root, as_nobody=True)
    assert found
    assert found.missing("switches") == ("nobody may not read /var/cpanel/ssl",)
    assert found.missing("contacts") == ("nobody may not read /etc/wwwacct.conf", "nobody may not read /root")
    assert found.missing("schedules") == ("nobody may not read /var/spool/cron/crontabs",)
    assert found.missing("tokens") == ()


def test_an_answer_that_was_cut_off_says_nothing_of_what_is_missing(root: Path) -> None:
    put(root, {VERSION: "1"})
    whole = asked(root)
    cut = read_cpanel_state(read_sections("WORD", whole[: whole.index("begin state.schedules") + 30]))
    assert cut
    assert cut.missing("contacts") == ()
    assert cut.missing("schedules") == ("the host's response about it was cut off",)


def test_what_was_told_comes_back_from_evidence_as_it_was(root: Path) -> None:
    seen = panel(root, {OFF: "", "/var/www/html/.well-known/pki-validation/x.txt": ""})
    observation = Observation(HOST, NOW, server=HostView("web1", "ssh://root@web1", cpanel=seen))
    assert from_json(Observation, to_json(observation)) == observation


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


def test_a_host_without_a_firewall_has_no_rules_and_nothing_that_could_not_be_read(root: Path) -> None:
    found = panel(root, {})
    assert (found.firewall, found.missing("firewall")) == (Firewall(), ())


def test_rules_of_iptables_are_read_once_though_nftables_lists_them_too(root: Path) -> None:
    with_programs(root, nft=NFT, iptables_save=IPTABLES)
    tables = [(chain.table, chain.name, chain.policy) for chain in panel(root, {}).firewall.chains]
    assert tables == [
        ("nftables, table inet own", "in", "accept"),
        ("iptables, table filter", "INPUT", "accept"),
        ("iptables, table filter", "LOCALINPUT", "accept"),
    ]


def test_of_csf_only_what_is_about_ports_and_addresses_leaves_the_host(root: Path) -> None:
    with_programs(root, iptables_save=IPTABLES)
    lists = {"/etc/csf/csf.allow": f"192.0.2.1 # {SECRET}\n# x\n", "/etc/csf/csf.deny": ""}
    found = panel(root, {"/etc/csf/csf.conf": CSF, **lists}).firewall
    assert (found.kept_by, found.countries) == ("csf", ('CC_DENY = "CN" in /etc/csf/csf.conf',))
    assert "csf" not in {chain.table for chain in found.chains}  # what it has made of that stands in iptables
    assert SECRET not in asked(root)


def test_csf_that_is_not_in_force_says_nothing(root: Path) -> None:
    with_programs(root, iptables_save=IPTABLES.replace("LOCALINPUT", "OTHER"))
    assert panel(root, {"/etc/csf/csf.conf": CSF}).firewall.countries == ()


def test_a_login_that_may_not_see_the_rules_says_so_and_takes_csf_at_its_word(root: Path) -> None:
    denied = "#!/bin/sh\necho 'Operation not permitted (you must be root)' >&2; exit 1\n"
    with_programs(root, nft=denied, iptables_save=denied)
    found = panel(root, {"/etc/csf/csf.conf": CSF, "/etc/csf/csf.allow": "", "/etc/csf/csf.deny": ""})
    assert [chain.table for chain in found.firewall.chains] == ["csf"]
    said = "root gets no list of rules by 'nft -j list ruleset': Operation not permitted (you must be root)"
    assert said in found.missing("firewall")


@pytest.mark.parametrize(("text", "is_read"), [("", True), ("hook input priority 0", False)])
def test_an_old_nft_without_json_will_do_where_nothing_is_hooked(root: Path, text: str, is_read: bool) -> None:  # noqa: FBT001 - a parameter
    with_programs(root, nft=f'#!/bin/sh\n[ "$1" = -j ] && exit 1\necho "{text}"\n')
    assert (panel(root, {}).missing("firewall") == ()) is is_read


def test_rules_that_make_no_sense_are_not_taken_for_none(root: Path) -> None:
    with_programs(root, nft='#!/bin/sh\necho \'{"nftables": [{"rule\'\n')
    (why,) = panel(root, {}).missing("firewall")
    assert why.startswith("root cannot read the output of 'nft -j list ruleset': ")
