"""Tests of the sections that the repair reads: every key is checked, and every error names key, place and fix."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.config import BadConfiguration, Configuration, Secret, read_configuration, section, subsections
from audit.config.schema import HANDED_ON
from remediate.issuers import ISSUERS, read_issuer
from remediate.issuers.store import StoreConfig
from remediate.model.options import RemediateConfig, written_options
from remediate.notify.channels import CHANNELS, MAIL_SYSTEMS, read_mail
from remediate.notify.channels.sendmail import SendmailConfig
from remediate.notify.channels.smtp import SmtpConfig
from remediate.wiring.sections import SECTIONS, configured_solvers, require_valid_sections

STORE = '[issuer.s]\nkind = "store"\nbase_url = "https://store.example.com"\n'
SOLVER = '[solver.s]\nkind = "command"\npresent = ["/bin/true"]\nclean_up = ["/bin/true"]\n'
TOKEN = 'token = { env = "STORE_TOKEN" }\n'
HOOK = '[notify.ops]\nkind = "webhook"\nurl = "https://hooks.example.com/a"\n'
SERVER = '[mail]\nsmtp = "smtp://relay.example.com"\n'


def read(folder: Path, text: str) -> Configuration:
    """Return the configuration of that text."""
    (folder / "sslaudit.toml").write_text(text)
    return read_configuration(folder, None)


def test_list_of_channels_is_read_like_sections_with_names(tmp_path: Path) -> None:
    keys = 'kind = "webhook"\nurl = "https://hooks.example.com/a"\n'
    listed = read(tmp_path, f'[[notify]]\n{keys}[[notify]]\nname = "ops"\n{keys}')
    assert listed.handed_on == read(tmp_path, f"[notify.webhook]\n{keys}[notify.ops]\n{keys}").handed_on


def test_section_is_decoded_by_the_type_of_its_owner(tmp_path: Path) -> None:
    mail = 'from = "sslaudit@example.com"\nuser = "me"\npassword = { file = "pw" }\n'
    written = read(tmp_path, f"{STORE}{TOKEN}[remediate]\nverify_timeout_s = 30\n{SERVER}{mail}")
    require_valid_sections(written)
    (store,) = subsections(written, "issuer").values()
    assert read_issuer(store) == StoreConfig(
        kind="store", base_url="https://store.example.com", token=Secret(env="STORE_TOKEN")
    )
    assert written_options(written) == RemediateConfig(verify_timeout_s=30.0)
    assert read_mail(section(written, "mail")) == SmtpConfig(
        from_="sslaudit@example.com", smtp="smtp://relay.example.com", user="me", password=Secret(file="pw")
    )
    assert read_mail(section(read(tmp_path, "[mail]\nto = ['a@b.example']\n"), "mail")) == SendmailConfig(
        to=("a@b.example",)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{STORE}{TOKEN}prodct = '90-day'", "[issuer.s]: unknown key 'prodct'; did you mean 'product'?"),
        (f"{STORE}token = {{ evn = 'X' }}", "[issuer.s]: token: unknown key 'evn'; did you mean 'env'?"),
        (STORE, "[issuer.s]: the key 'token' is missing"),
        (f"{STORE}{TOKEN}product = 'dv'", "[issuer.s]: product 'dv' does not name its lifetime; write lifetime_days"),
        (
            f"{STORE}{TOKEN}product = '199-day'\nlifetime_days = 90",
            "[issuer.s]: product '199-day' is valid for longer than",
        ),
        (f"{STORE}{TOKEN}lifetime_days = 0", "[issuer.s]: product '90-day' is valid for longer than lifetime_days = 0"),
        (f"{STORE}{TOKEN}lifetime_days = 99999", "[issuer.s]: lifetime_days is 99999; write 1 to 36500 days"),
        (f"{STORE}{TOKEN}key = 'rsa-1024'", "[issuer.s]: key: 'rsa-1024' is not one of 'rsa-2048'"),
        ("[issuer.s]\nkind = 'shop'", "[issuer.s]: no issuer has the name 'shop'; known are command, cpanel, store"),
        ("[issuer.s]\nknd = 'store'", "[issuer.s]: it has no kind; known are store, cpanel"),
        ("[issuer]\ns = 'store'", "[issuer.s]: it has no kind; known are store, cpanel"),
        ("issuer = 'store'", "[issuer]: 'store' is not a table"),
        ("[remediate]\nmax_case = 3", "[remediate]: unknown key 'max_case'; did you mean 'max_cases'?"),
        ("[remediate]\nmax_cases = 'all'", "[remediate]: max_cases: 'all' is not a whole number"),
        ("[mail]\nform = 'a@b.example'", "[mail]: unknown key 'form'; did you mean 'from'?"),
        (f"{SERVER}pasword = 'x'", "[mail]: unknown key 'pasword'; did you mean 'password'?"),
        ("[mail]\nuser = 'me'", "[mail]: the key 'user' is used only with a server; write smtp = "),
        ("mail = 'root'", "[mail]: 'root' is not a table"),
        (f"{SOLVER}typs = ['dns-01']", "[solver.s]: unknown key 'typs'; did you mean 'types'?"),
        (SOLVER, "[solver.s]: the key 'types' is missing"),
        ("[solver.s]\nkind = 'shop'", "[solver.s]: no solver has the name 'shop'; known are command"),
        ("[solver.s]\ntypes = []", "[solver.s]: it has no kind; known are command"),
        ("[dns]\nserver = 'x'", "unknown key 'dns'; known are issuer, solver, remediate, mail, notify"),
        ("[notify.ops]\nkind = 'pager'", "[notify.ops]: no channel has the name 'pager'; known are webhook"),
        ("[notify.ops]\nurl = 'https://a.example'", "[notify.ops]: it has no kind; known are webhook"),
        ("[notify]\nkind = 'webhook'", "[notify.kind]: it has no kind; known are webhook"),
        ("[[notify]]\nkind = 'webhook'", "[notify.webhook]: the key 'url' is missing"),
        ("[[notify]]\nname = 'ops'\nkind = 'pager'", "[notify.ops]: no channel has the name 'pager'"),
        ("[[notify]]\nurl = 'https://a.example'", "[[notify]] 1: it has no kind"),
        (2 * "[[notify]]\nkind = 'webhook'\n", "[[notify]] 2: the name 'webhook' is used twice; write name = "),
        ("notify = ['webhook']", "notify: item 1 is not a table; write [[notify]] above its keys"),
        (HOOK, "[notify.ops]: the key 'secret' is missing"),
        (f"{HOOK}sekret = 1", "[notify.ops]: unknown key 'sekret'; did you mean 'secret'?"),
    ],
)
def test_wrong_key_is_refused_with_place_and_fix(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        require_valid_sections(read(tmp_path, text))
    assert str(refused.value).startswith(f"{tmp_path}/sslaudit.toml: {message}")


@pytest.mark.parametrize(
    ("keys", "days"),
    [
        ("", (90, 90)),
        ("product = '199-day'", (199, 199)),
        ("product = '47-days'", (47, 47)),
        ("product = 'dv'\nlifetime_days = 398", (398, 398)),
        ("product = '90-day'\nlifetime_days = 100", (100, 90)),
    ],
)
def test_product_names_its_lifetime(tmp_path: Path, keys: str, days: tuple[int, int]) -> None:
    (store,) = subsections(read(tmp_path, f"{STORE}{TOKEN}{keys}"), "issuer").values()
    issuer = read_issuer(store)
    assert (issuer.lifetime, issuer.ordered_lifetime) == tuple(timedelta(days=count) for count in days)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("proof_timeout_s = 60", "the key 'proof_timeout_s' is now called 'verify_timeout_s'"),
        ('leave_out = ["*.example.com"]', "the key 'leave_out' is now called 'exclude_names'"),
    ],
)
def test_former_key_is_refused_with_its_new_name(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        require_valid_sections(read(tmp_path, f"[remediate]\n{line}\n"))
    assert str(refused.value) == f"{tmp_path}/sslaudit.toml: [remediate]: {message}"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f'{SERVER}password = "hunter2-secret"\n', "[mail]: password"),
        (f'{STORE}token = "hunter2-secret"\n', "[issuer.s]: token"),
        (f'{HOOK}secret = "hunter2-secret"\n', "[notify.ops]: secret"),
        (f'{STORE}token = ["hunter2-secret"]\n', "[issuer.s]: token"),
        (f'{STORE}token = {{ file = ["hunter2-secret"] }}\n', "[issuer.s]: token"),
        ('[mail]\nsmtp = ["smtp://me:hunter2-secret@relay.example.com"]\n', "[mail]: smtp"),
    ],
)
def test_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, text: str, key: str) -> None:
    configuration = read(tmp_path, text)
    with pytest.raises(BadConfiguration) as refused:
        require_valid_sections(configuration)
    assert key in str(refused.value)
    assert "hunter2" not in f"{refused.value}{configuration!r}{section(configuration, 'mail')!r}"
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "text", [f"{SERVER}password = ", f"{STORE}token = ", f"{HOOK}secret = "], ids=["mail", "issuer", "webhook"]
)
@pytest.mark.parametrize(("mode", "is_refused"), [(0o600, False), (0o640, True), (0o604, True)])
def test_secret_that_others_can_read_is_refused(tmp_path: Path, text: str, mode: int, *, is_refused: bool) -> None:
    configuration = read(tmp_path, f"{text}{{ file = 'secret' }}\n")
    require_valid_sections(configuration)  # a missing file is an error only when the secret is used
    (tmp_path / "secret").write_text("hunter2")
    (tmp_path / "secret").chmod(mode)
    if not is_refused:
        return require_valid_sections(configuration)
    with pytest.raises(BadConfiguration, match=r"(password|token|secret): others can read or change .*: chmod 600"):
        require_valid_sections(configuration)
    return None


def test_key_of_a_file_is_one_that_the_audit_finds_undecoded() -> None:
    types: tuple[Any, ...] = (RemediateConfig, *ISSUERS.values(), *CHANNELS.values(), *MAIL_SYSTEMS.values())
    keys = {field.name for kind in types for field in fields(kind)}
    named = {key for key in keys if any(word in key for word in ("file", "path", "folder", "cert", "hook"))}
    assert named == {"ca_file"}
    assert all(key.endswith("_file") for key in named)


def test_section_that_the_repair_decodes_is_passed_on_by_the_audit() -> None:
    assert set(SECTIONS) <= set(HANDED_ON)


def test_two_solvers_of_one_challenge_type_are_refused(tmp_path: Path) -> None:
    both = "".join(f'{SOLVER}types = ["dns-01"]\n'.replace("solver.s", f"solver.{name}") for name in "ab")
    with pytest.raises(BadConfiguration, match=r"\[solver.b\]: types: another section solves 'dns-01' already"):
        configured_solvers(read(tmp_path, both))
    assert configured_solvers(read(tmp_path, "")) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('present = ["/bin/true"]', 'present = ["true"]'), "present: the program 'true' is not an absolute path"),
        (('clean_up = ["/bin/true"]', "clean_up = []"), "clean_up: the program '' is not an absolute path"),
        (('kind = "command"', 'kind = "command"\ntimeout_s = 0'), "timeout_s is 0"),
    ],
)
def test_solver_that_cannot_be_run_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = f'{SOLVER}types = ["dns-01"]\n'.replace(*change)
    with pytest.raises(BadConfiguration) as refused:
        configured_solvers(read(tmp_path, text))
    assert str(refused.value).startswith(f"{tmp_path}/sslaudit.toml: [solver.s]: {message}")
