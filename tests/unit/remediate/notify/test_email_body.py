"""Tests of the bodies of an email: they equal the snapshot files, and hostile text is not interpreted."""

from __future__ import annotations

from dataclasses import fields
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from jinja2 import StrictUndefined, UndefinedError

from remediate.notify.channels.email_body import _templates
from remediate.notify.notification import ReportItem, RunOrigin
from tests.support.notify.notifications import AT, item, notification, section
from tests.unit.remediate.notify.samples import FOLDER, SAMPLES, bodies_of

HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '" onload="alert(1)" \'',
    "expression": "{{ 7*7 }}",
    "statement": "{% for x in range(9) %}x{% endfor %}{# gone #}",
    "lines": "first\r\nBcc: victim@example.com\r\n\r\nlast",
    "bidi": "\u202egnp.exe\u202c\u2066\u200f",
    "control": "\x1b[2J\x00\x07\ud800",
    "length": "y" * 10_000,
}
ITEM_FIELDS = ("services", "endpoint", "check", "reason", "tried", "happened", "to_do", "case")
FIELDS = (*ITEM_FIELDS, "host", "remark", "controller", "version")


class Parsed(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def bodies_with(field: str, text: str) -> dict[str, str]:
    """Return the bodies of a notification one field of which holds a text."""
    host = text if field == "host" else "web1"
    run = RunOrigin(AT, text if field == "controller" else "ctl.example.com", text if field == "version" else "0.1.0")
    of_item = {field: (text,) if field == "services" else text} if field in ITEM_FIELDS else {}
    remarks = (text,) if field == "remark" else ()
    return bodies_of(notification(section(item(**of_item), host=host), run=run, remarks=remarks))


@pytest.mark.parametrize("name", SAMPLES)
def test_bodies_are_those_of_the_snapshot_files(name: str) -> None:
    assert bodies_of(SAMPLES[name]) == {
        suffix: (FOLDER / f"{name}.{suffix}").read_text(encoding="utf-8") for suffix in ("txt", "html")
    }


def test_each_snapshot_file_belongs_to_a_sample() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(SAMPLES)


def test_each_text_of_an_item_is_among_the_hostile_fields() -> None:
    texts = {field.name for field in fields(ReportItem) if field.type in ("str", "tuple[str, ...]")}
    assert texts == set(ITEM_FIELDS)


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("field", FIELDS)
def test_hostile_text_is_not_interpreted(field: str, kind: str) -> None:
    usual, bodies = bodies_with(field, "harmless"), bodies_with(field, HOSTILE[kind])
    page, usual_page = Parsed(bodies["html"]), Parsed(usual["html"])
    assert [tag for tag in page.tags if tag != "br"] == [tag for tag in usual_page.tags if tag != "br"]
    assert page.attributes == usual_page.attributes
    assert not page.attributes & {"href", "src", "onerror", "background"}, "nothing is fetched"
    for text in (bodies["txt"], " ".join(page.texts)):
        assert all(character.isprintable() or character == "\n" for character in text)
        assert len(text) < 3_000
    if kind in ("markup", "attribute", "expression", "statement"):
        for text in (bodies["txt"], " ".join(page.texts)):
            assert " ".join(HOSTILE[kind].split())[:55] in " ".join(text.split())


@pytest.mark.parametrize("field", FIELDS)
def test_line_break_in_hostile_text_starts_no_line(field: str) -> None:
    text = bodies_with(field, "x\r\nFAILED  forged\n\nWhat to do:  run this")["txt"]
    assert not any(line.startswith(("FAILED  forged", "  What to do:  run")) for line in text.splitlines())


def test_undefined_name_in_a_template_is_an_error() -> None:
    templates = _templates()
    assert templates.undefined is StrictUndefined
    for name in ("email.txt.j2", "email.html.j2"):
        with pytest.raises(UndefinedError):
            templates.get_template(name).render(opening=(), hosts=())


def test_templates_are_those_of_the_package_and_mark_nothing_as_safe() -> None:
    folder = files("remediate.notify.channels")
    templates = [file for file in folder.iterdir() if file.name.endswith(".j2")]
    assert {file.name for file in templates} == {"email.txt.j2", "email.html.j2"}
    assert not any(word in file.read_text("utf-8") for file in templates for word in ("safe", "autoescape", "include"))
