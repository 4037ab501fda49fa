"""The documents are correct: numbers, links, options, tables, and examples that run unchanged."""

from __future__ import annotations

import ast
import base64
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from audit.checks import Check
from audit.config import read_configuration, subsections
from audit.endpoint import SCHEME_PORTS
from audit.observation import Observation
from audit.services import SERVICES
from audit.verdict import Remedy
from pytest_sslaudit.cli import checkallsslcerts, program
from remediate.cli.main import main as repair_program
from remediate.issuers import read_issuer
from remediate.model.case import FindingKey
from remediate.model.causes import Cause
from remediate.model.options import chosen_issuer, issuer_kind
from remediate.notify.channels.webhook import WebhookConfig
from remediate.notify.channels.webhook_message import render_body, signed_headers
from remediate.wiring.sections import require_valid_sections
from tests.repository import documents, examples, reference
from tests.support.checkout import CHECKOUT
from tests.support.endpoint_facts import served
from tests.support.evidence import NOW, A, host, keep, unreachable
from tests.support.notify.notifications import item, notification, section

PAGES: Final = tuple(
    str(file.relative_to(CHECKOUT)) for file in (*sorted(CHECKOUT.glob("*.md")), *sorted(CHECKOUT.glob("docs/**/*.md")))
)
PARTIES: Final = ("a hostile server", "a local user of an audited host", "a hostile host", "a hostile store or ca",
                  "a local user of the machine", "a hostile inventory", "a hostile worker")  # fmt: skip
VENDOR: Final = {"Overview": 18, "What the script does": 23, "Run the script": 11, "The queue, the mail": 9}
"""The number of sentences of each part of the vendor's page, lead-ins and rows of its tables included."""
COMMANDS: Final[dict[str, Callable[[list[str]], int]]] = {
    "checkallsslcerts": checkallsslcerts.main,
    "sslaudit": program.main,
    "remediate": repair_program,
}


def text(page: str) -> str:
    return (CHECKOUT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[str]:
    """Return the indented code of a page, each block without its indentation."""
    found = re.findall(r"(?:^ {4}.*\n(?:\n(?= {4}))?)+", text(page), flags=re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in found]


def block_with(page: str, words: str) -> str:
    (block,) = [block for block in blocks(page) if words in block]
    return block


def test_page_of_checks_agrees_with_the_checks() -> None:
    assert text("docs/checks.md") == documents.page(), "write it anew: python -m tests.repository.documents"


def test_page_of_causes_agrees_with_the_causes() -> None:
    assert text("docs/causes.md") == documents.causes_page(), "write it anew: python -m tests.repository.documents"


@pytest.mark.parametrize("file", reference.PAGES, ids=lambda file: file.name)
def test_page_of_reference_agrees_with_the_code_and_describes_all(file: Path) -> None:
    made = reference.PAGES[file]()
    assert reference.without_text(made) == [], "describe it: a comment at the end of its line, a docstring, a help"
    assert file.read_text(encoding="utf-8") == made, "write it anew: python -m tests.repository.documents"


def test_reference_of_the_results_has_every_field_of_a_run(pytester: pytest.Pytester) -> None:
    keep(pytester.path / "kept", [unreachable(A), host()])
    given = ("--audit-from-evidence=kept", "--audit-results=results.jsonl", "-k", "svc.unreachable")
    pytester.runpytest("--pyargs", "audit", *given)
    described = {title: {"kind", *fields()} for title, _, fields in reference.ROWS}
    lines = [json.loads(line) for line in (pytester.path / "results.jsonl").read_text().splitlines()]
    assert {line["kind"] for line in lines} == {"run", "observation", "result", "summary"}
    assert [line for line in lines if line.keys() != described[line["kind"]]] == []


@pytest.mark.parametrize(("mark", "function"), [pytest.param(*pair, id=pair[0].id) for pair in documents.checks()])
def test_check_has_a_requirement_of_one_sentence_a_source_and_a_fix(mark: Check, function: Callable[..., None]) -> None:
    text = documents.CheckText(mark, function)
    assert re.fullmatch(r"[A-Z][^.;]* (must|may|should) .*\.", text.requirement)
    assert not re.search(r"[a-z)]\. [A-Z]", text.requirement.replace("Vol. B", ""))
    assert text.fix.endswith(".")
    assert mark.source


def test_every_check_has_an_example_that_it_does_not_pass() -> None:
    ids = {mark.id for mark, _ in documents.checks()}
    assert set(examples.OBSERVATIONS) == ids - {"cert.lint-br"}
    verdicts = {check: str(examples.example(check)).partition(":")[0] for check in examples.OBSERVATIONS}
    assert {check: verdict for check, verdict in verdicts.items() if verdict != "fail"} == {
        "host.not-inspected": "inconclusive"
    }


def test_tables_of_fixes_name_every_remedy_and_service() -> None:
    assert set(documents.REMEDIES) == set(Remedy)
    assert set(documents.FILES_OF_SERVICES) == {service.name for service in SERVICES}


@pytest.mark.parametrize("page", PAGES)
def test_documented_number_of_checks_is_right(page: str) -> None:
    count = str(len(list(documents.checks())))
    assert set(re.findall(r"\b(\d+) checks\b", text(page))) <= {count}


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_and_headings_exist(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", text(page))
    targets = [((CHECKOUT / page).parent / file if file else CHECKOUT / page, heading) for file, heading in links]
    assert [file for file, _ in targets if not file.exists()] == []
    assert [(file.name, heading) for file, heading in targets if heading and heading not in anchors_of(file)] == []


def anchors_of(file: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_paths_in_the_documentation_exist(page: str) -> None:
    places = re.findall(r"`((?:audit|pytest_sslaudit|remediate|tests|bench|docs)/[\w./]*)`", text(page))
    assert [place for place in places if not (CHECKOUT / place).exists()] == []


def commands_of(page: str) -> Iterator[list[str]]:
    """Yield the commands in the indented blocks of a page, without comments and without the path of the program."""
    for line in "\n".join(blocks(page)).splitlines():
        words = shlex.split(line.strip().removeprefix("- ").removeprefix("run: "), comments=True)
        if words and re.fullmatch(r"[\w./-]+", words[0]):
            yield [Path(words[0]).name, *words[1:]]


def shell_commands(*programs: str) -> list[tuple[str, list[str]]]:
    return [(page, words) for page in PAGES for words in commands_of(page) if words[0] in programs]


def test_options_of_pytest_in_commands_are_known(pytester: pytest.Pytester) -> None:
    known = pytester.runpytest("--help").stdout.str()
    used = {word.partition("=")[0] for _, words in shell_commands("pytest") for word in words if word.startswith("--")}
    assert len(used) >= 8
    assert {option for option in used if not re.search(rf"{option}\b", known)} == set()


def test_commands_of_the_other_programs_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    commands = shell_commands("sslaudit", "checkallsslcerts")
    commands += [(page, words[2:]) for page, words in shell_commands("python") if words[1:3] == ["-m", "remediate"]]
    assert len(commands) >= 10
    for page, words in commands:
        with pytest.raises(SystemExit) as ended:
            COMMANDS[words[0]]([*words[1:], "--help"])
        assert ended.value.code == 0, (page, words)
    capsys.readouterr()


def test_extras_and_targets_in_commands_exist() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    for page, words in shell_commands("pip"):
        for extra in re.findall(r"\[(\w+)\]", " ".join(words)):
            assert extra in project["optional-dependencies"], page
    targets = {target for page in PAGES for target in re.findall(r"`make ([a-z-]+)", text(page))}
    assert targets
    assert {target for target in targets if f"\n{target}:" not in text("Makefile")} == set()


def test_usage_has_every_scheme_and_port() -> None:
    rows = re.findall(r"`(\w+)`(?: \([^)]+\))? \| (\d+|name it)", text("docs/usage.md"))
    assert dict(rows) == {scheme: str(port) if port else "name it" for scheme, port in SCHEME_PORTS.items()}


def test_documented_configuration_of_a_repair_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", text("docs/repair.md"), flags=re.DOTALL)
    (tmp_path / "sslaudit.toml").write_text(block)
    configuration = read_configuration(tmp_path, None)
    require_valid_sections(configuration)
    name = chosen_issuer(configuration, None)
    assert (name, issuer_kind(configuration, name)) == ("store", "store")
    assert configuration.service[0].docroot == "/srv/gateway/public"


def fenced(page: str, language: str) -> list[str]:
    """Return the fenced code of a page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", text(page), flags=re.DOTALL)


def test_documented_configuration_of_notifications_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "sslaudit.toml").write_text("\n".join(fenced("docs/notifications.md", "toml")))
    configuration = read_configuration(tmp_path, None)
    require_valid_sections(configuration)
    (webhook,) = subsections(configuration, "notify").values()
    assert set(webhook.table) == {field.name for field in fields(WebhookConfig)}


def test_webhook_of_the_documentation_has_every_field() -> None:
    (example,) = (json.loads(block) for block in fenced("docs/notifications.md", "json"))
    findings = (FindingKey("web1/imaps://mail.example.com:993", "cert.expiring"),)
    body = json.loads(render_body(notification(section(item(findings=findings)))))
    assert keys_of(example) == keys_of(body)
    assert set(example["data"]["items"][0]["causes"]) <= set(Cause)


def keys_of(value: object) -> object:
    """Return a JSON value with the type in place of each value."""
    if isinstance(value, dict):
        return {key: keys_of(item) for key, item in value.items()}
    return [keys_of(item) for item in value] if isinstance(value, list) else type(value).__name__


def test_receiver_of_the_documentation_accepts_genuine_messages_alone() -> None:
    names: dict[str, Any] = {}
    (example,) = fenced("docs/notifications.md", "python")
    assert len(example.splitlines()) <= 12
    exec(example, names)  # noqa: S102 - the code of the page itself
    is_genuine, now, body, key = names["is_genuine"], datetime.now(UTC), render_body(notification()), bytes(range(32))
    secret, headers = f"whsec_{base64.b64encode(key).decode()}", dict(signed_headers(body, key, now))
    assert is_genuine(secret, headers, body)
    assert is_genuine(secret, headers | {"webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}, body)
    assert not is_genuine(secret, headers, body + b" ")
    assert not is_genuine(secret, headers | {"webhook-id": "msg_other"}, body)
    assert not is_genuine(secret, headers | {"webhook-signature": "v1,\N{LATIN SMALL LETTER E WITH ACUTE}"}, body)
    assert not is_genuine(f"whsec_{base64.b64encode(bytes(31)).decode()}", headers, body)
    assert not is_genuine(secret, dict(signed_headers(body, key, now - timedelta(minutes=6))), body)


def test_documented_configuration_of_a_cpanel_server_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "sslaudit.toml").write_text(block_with("docs/cpanel.md", "[issuer.panel]"))
    configuration = read_configuration(tmp_path, None)
    require_valid_sections(configuration)
    kinds = {name: read_issuer(table).kind for name, table in subsections(configuration, "issuer").items()}
    assert kinds == {"panel": "cpanel", "store": "store"}
    assert chosen_issuer(configuration, None) == "panel"


def test_configuration_in_usage_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "sslaudit.toml").write_text(block_with("docs/usage.md", 'waivers = "waivers.toml"'))
    configuration = read_configuration(tmp_path, None)
    assert configuration.hosts == ("ssh://root@web1", "ssh://root@mail")
    assert configuration.host["ssh://root@web1"].addresses == ("203.0.113.10",)


def judge(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    """Run a file of checks over one endpoint that speaks TLS 1.3 and has a certificate of `CN=Intermediate`."""
    pytester.makepyfile(test_own=source)
    keep(pytester.path / "kept", [Observation(A, NOW, ("192.0.2.7",), (served(),))])
    return pytester.runpytest("test_own.py", "--audit-from-evidence=kept")


def test_sample_of_the_readme_is_the_output_of_an_audit(pytester: pytest.Pytester) -> None:
    keep(pytester.path / "kept", [Observation(A, NOW, ("192.0.2.7",), (served(),))])
    result = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept")
    sample = block_with("README.md", "earliest expiry").splitlines()
    assert [line for line in sample if line not in result.stdout.lines] == []


def test_own_check_of_the_documentation_runs(pytester: pytest.Pytester) -> None:
    result = judge(pytester, block_with("docs/own-checks.md", "acme.corp-issuer"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*medium acme.corp-issuer: Every internal certificate comes from the corporate CA*"])


def contributed() -> str:
    """Return the file that CONTRIBUTING's diff changes, changed: what stands before a `+` is looked for in it."""
    (diff,) = re.findall(r"```diff\n(.*?)```", text("CONTRIBUTING.md"), flags=re.DOTALL)
    (file,) = re.findall(r"^\+\+\+ b/(\S+)", diff, flags=re.MULTILINE)
    changed = text(file)
    for hunk in diff.split("@@\n")[1:]:
        lines = hunk.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] in kind) for kind in (" -", " +"))
        assert changed.count(old) == 1 or not old, f"{file} has changed: {old}"
        changed = changed.replace(old, new) if old else f"{changed}\n\n{new}"
    return changed


def test_check_of_contributing_runs_in_its_documented_file(pytester: pytest.Pytester) -> None:
    result = judge(pytester, contributed())
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=2)  # the check that the file had, and the new one


def rows_of_the_vendors_page() -> list[tuple[int, list[str]]]:
    """Return each row of the vendor page's table: its number, and its other cells."""
    found = re.findall(r"^\| (\d+) \| (.*) \|$", text("docs/checkallsslcerts.md"), flags=re.MULTILINE)
    return [(int(number), re.split(r"(?<!\\)\|", cells)) for number, cells in found]


def test_every_sentence_of_the_vendors_page_is_a_row_of_its_section() -> None:
    assert [number for number, _ in rows_of_the_vendors_page()] == list(range(1, sum(VENDOR.values()) + 1))
    assert f" {sum(VENDOR.values())} sentences" in " ".join(text("docs/checkallsslcerts.md").split())
    parts = re.findall(r"^## (.*) \((\d+)\D(\d+)\)$", text("docs/checkallsslcerts.md"), flags=re.MULTILINE)
    counts = [int(last) - int(first) + 1 for _, first, last in parts]
    assert counts == list(VENDOR.values())
    assert [title.startswith(part) for (title, *_), part in zip(parts, VENDOR, strict=True)] == [True] * len(VENDOR)


def test_every_sentence_of_the_vendors_page_has_tests_that_exist() -> None:
    for number, cells in rows_of_the_vendors_page():
        outcome, done, proven = (cell.strip() for cell in cells)
        assert outcome, number
        assert done, number
        tests = re.findall(r"`([\w/]+\.py)::(test_\w+)`", proven)
        assert tests, number
        assert proven.count("`") == 2 * len(tests), number
        assert [name for file, name in tests if name not in functions_of(file)] == [], number


def test_every_promise_of_the_security_page_has_tests_that_exist() -> None:
    parts = re.split(r"^## \d\. ", text("docs/security.md"), flags=re.MULTILINE)[1:]
    assert len(parts) == len(PARTIES)
    for party, part in zip(PARTIES, parts, strict=True):
        assert part.lower().startswith(party)
        rows = re.findall(r"^\| ([^|]+) \| (`[\w/]+\.py::.*) \|$", part.partition("\n## ")[0], flags=re.MULTILINE)
        assert len(rows) >= 3, party
        assert part.partition("\n## ")[0].count("\n| ") == len(rows) + 1, f"{party}: a promise without a test"
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", text("docs/security.md"))
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(file)] == []


@cache
def functions_of(file: str) -> frozenset[str]:
    """Return the names of a test file's functions; none where it is not there."""
    path = CHECKOUT / "tests" / file
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef))


def test_picture_of_the_readme_is_small() -> None:
    assert (CHECKOUT / "docs/report.png").stat().st_size < 300_000
