"""Values of password settings stay on the host, however a configuration breaks its lines."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from audit.host.script import prologue, read_sections
from audit.services import SERVICES
from tests.support.hosts.trust_functions import BUSYBOX, path_of, shell_words

SECRET: Final = "hunter2"
SHELLS: Final = (
    "dash",
    pytest.param("busybox", marks=pytest.mark.skipif(not BUSYBOX.exists(), reason="the overlays are not built")),
)
CONTINUED: Final = {
    "apache": "backslash",
    "exim": "backslash",
    "proftpd": "backslash",
    "dovecot": "backslash",
    "postfix": "indented",
    "nginx": "semicolon",
}
"""How a setting of each service continues on the next line; the settings of other services do not."""
BACKSLASH: Final = {
    "value": f"AuthLDAPBindPassword \\\n  {SECRET}\n",
    "no blank before the backslash": f"AuthLDAPBindPassword\\\n {SECRET}\n",
    "equals sign": f"ldap_default_password = \\\n{SECRET}\n",
    "within the value": f'DBDParams "host=db \\\n password=first-{SECRET} \\\n second-{SECRET}"\n',
    "name on the second line": f"SetEnv \\\n  DB_PASSWORD \\\n  {SECRET}\n",
    "comment between": f"mysql_password = \\\n  # of the shop\n  {SECRET}\n",
    "semicolon and brace in the value": f"SetEnv DB_PASSWORD a;{{{SECRET}}}\n",
    "last line": f"SetEnv DB_PASSWORD \\\n  {SECRET} \\",
}
INDENTED: Final = {
    "value": f"smtp_password =\n  {SECRET}\n",
    "comment and blank line between": f"smtp_password =\n# of the relay\n\n\t{SECRET}\n",
    "semicolon in the value": f"smtp_password = a;{SECRET}\n",
    "within the value": f"smtp_password = first-{SECRET}\n  second-{SECRET}\n",
}
SEMICOLON: Final = {
    "value": f'proxy_set_header Authorization\n  "Bearer {SECRET}";\n',
    "each word": f"set\n  $api_key\n  {SECRET}\n;\n",
    "comment between": f"set $api_key # of the shop; not\n  # more\n\n  {SECRET};\n",
    "within the value": f"set $db_password 'first-{SECRET}\n second-{SECRET}';\n",
    "number sign in quotes": f'proxy_set_header X-Token "#\n {SECRET}";\n',
    "no end": f"set $db_password\n {SECRET}",
}
CASES: Final = [
    pytest.param(how, text, id=f"{how}: {name}")
    for how, table in (("backslash", BACKSLASH), ("indented", INDENTED), ("semicolon", SEMICOLON))
    for name, text in table.items()
]
AFTER: Final = "listen 443 ssl;\n"


def printed(folder: Path, how: str, text: str, shell: str) -> str:
    """Return what the host prints of a text whose settings continue on the next line in this way."""
    file = folder / "text"
    file.write_text(text)
    script = prologue("WORD") + f"continues={how}\nsection odd cat {file}\n"
    words, path = [*shell_words(shell), "-c", script], {"PATH": path_of(shell)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30, env=path)
    return read_sections("WORD", done.stdout)["odd"].text


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("how", "text"), CASES)
def test_value_on_the_next_line_is_hidden(tmp_path: Path, how: str, text: str, shell: str) -> None:
    end = "" if text.endswith("\n") else "\n"
    files = f"# configuration file /etc/a:\n{text}{end}\n# configuration file /etc/b:\n{AFTER}# cannot read /etc/c\n"
    hidden = printed(tmp_path, how, files, shell)
    assert SECRET not in hidden
    assert "(hidden)" in hidden
    assert hidden.startswith("# configuration file /etc/a:\n")
    assert hidden.endswith(f"# configuration file /etc/b:\n{AFTER}# cannot read /etc/c")


PLAIN: Final = {
    "backslash": "# comment \\\nSSLCipherSuite A:\\\n  B\n<VirtualHost *:443>\n  ServerAlias a \\\n  b\n</VirtualHost>",
    "indented": "smtpd_tls_chain_files =\n  /etc/a.key\n# a comment\n  /etc/a.pem\n\nmyhostname = a",
    "semicolon": "http {\n\tserver_name a\n    b;\n  # a comment; listen\n  listen 443; # the password\n  root /a;\n}",
}


@pytest.mark.parametrize("how", PLAIN)
@pytest.mark.parametrize("shell", SHELLS)
def test_text_without_secrets_stays_as_it_is(tmp_path: Path, how: str, shell: str) -> None:
    assert printed(tmp_path, how, PLAIN[how], shell) == PLAIN[how]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("size", [0, 4000], ids=["short", "long"])
@pytest.mark.parametrize(
    "name",
    [
        "DbPassWord",
        "passphrase",
        "pass",
        "db_pwd",
        "Client_Secret",
        "ToKeN",
        "credential",
        "apikey",
        "API__Key",
        "Authorization",
    ],
)
def test_value_is_hidden_in_a_text_of_any_size(tmp_path: Path, name: str, size: int, shell: str) -> None:
    filler = "listen 443\n" * (size // 11)
    text = printed(tmp_path, "", f"{filler}{name}: {SECRET}\n{filler}", shell)
    assert (SECRET in text, name in text) == (name == "pass", True)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("size", [0, 4000], ids=["short", "long"])
def test_private_key_is_removed_from_a_text_of_any_size(tmp_path: Path, size: int, shell: str) -> None:
    filler = "listen 443\n" * (size // 11)
    key = f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----\n"
    text = printed(tmp_path, "", f"{filler}before\n{key}after\n{filler}", shell)
    assert text.splitlines() == [*filler.splitlines(), "before", "after", *filler.splitlines()]


def test_control_character_in_a_text_starts_no_new_line(tmp_path: Path) -> None:
    for how in ("''", *PLAIN):
        assert "\nforged" not in printed(tmp_path, how, "a\fforged\vforged;\n", "dash")


def test_each_service_declares_how_its_settings_continue() -> None:
    declared = ((service.name, re.findall(r"^continues=(.*)$", service.script, re.MULTILINE)) for service in SERVICES)
    assert {name: found for name, found in declared if found} == {name: [how] for name, how in CONTINUED.items()}


def test_large_configuration_is_filtered_in_seconds(tmp_path: Path) -> None:
    many = {"backslash": "a \\\n" * 50_000, "indented": " a\n" * 50_000, "semicolon": "a\n" * 50_000}
    for how, text in many.items():
        assert printed(tmp_path, how, text + AFTER, "dash").endswith(AFTER.strip())
