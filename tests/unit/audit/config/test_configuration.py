"""Tests of the configuration file: every key is checked, and every error names key, place and fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import BadConfiguration, Configuration, Secret, read_configuration, read_secret, section
from audit.config.schema import HostSettings

FULL = """
enabled = true
hosts = ["ssh://root@web1", "ansible://mail"]
endpoints = ["https://www.example.com", "smtp://mx.example.com?address=198.51.100.7"]
policy = ["webpki"]
trust = ["mozilla", "corp-root.pem"]
fail_on = "medium"
waivers = "waivers.toml"

[probe]
timeout_s = 10
concurrency = 64
per_address = 2
resolver = ["192.0.2.53"]
root_hints = "root.hints"

[fetch]
allow_private = false
proxy = "http://proxy.example.com:3128"

[ct]
log_list = "log_list.json"

[host."ssh://root@web1"]
name = "web1.example.com"
addresses = ["203.0.113.10"]
remediate = false

[[service]]
host = "ssh://root@app*"
name = "gateway"
endpoints = ["https://api.example.com:8443"]
certificate = "/etc/gateway/tls.crt"
key = "/etc/gateway/tls.key"
chain = "/etc/gateway/chain.crt"
docroot = "/srv/gateway/public"
test = "gateway --check"
reload = "kill -HUP $(cat /run/gateway.pid)"

[issuer.store]
kind = "store"
base_url = "https://store.example.com/api"
token = { env = "STORE_TOKEN" }
key = "ecdsa-p256"

[remediate]
issuer = "store"
max_cases = 20
max_failures = 2
verify_timeout_s = 60
foreign = "explain"

[mail]
to = ["admin@example.com"]
from = "sslaudit@example.com"
smtp = "smtp://relay.example.com:587"
user = "sslaudit"
password = { file = "/etc/sslaudit/smtp" }
"""


def read(folder: Path, text: str, name: str = "sslaudit.toml") -> Configuration:
    (folder / name).write_text(text)
    return read_configuration(folder, None)


def test_full_example_is_parsed(tmp_path: Path) -> None:
    parsed = read(tmp_path, FULL)
    assert parsed.probe.timeout_s == 10.0
    assert parsed.host["ssh://root@web1"] == HostSettings("web1.example.com", ("203.0.113.10",), remediate=False)
    assert parsed.service[0].name == "gateway"
    assert section(parsed, "issuer").table["store"]["token"] == {"env": "STORE_TOKEN"}
    assert section(parsed, "mail").table["from"] == "sslaudit@example.com"
    assert parsed.path("corp-root.pem") == tmp_path / "corp-root.pem"


def test_table_of_pyproject_is_read_as_configuration(tmp_path: Path) -> None:
    assert read(tmp_path, '[tool.sslaudit]\nfail_on = "high"\n', "pyproject.toml").fail_on == "high"


def test_missing_file_is_an_empty_configuration(tmp_path: Path) -> None:
    assert read_configuration(tmp_path, None) == Configuration()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('fail_onn = "low"', "unknown key 'fail_onn'; did you mean 'fail_on'?"),
        ("[probe]\ntimeout = 3", "probe: unknown key 'timeout'; did you mean 'timeout_s'?"),
        ('[host."web*"]\nnmae = "x"', "unknown key 'nmae'; did you mean 'name'?"),
        ('[[service]]\nhots = "x"', "unknown key 'hots'; did you mean 'host'?"),
        ("[[service]]\nhost = 'x'", "service: number 1: the key 'name' is missing"),
        ("[isuer.store]\nkind = 'store'", "unknown key 'isuer'; did you mean 'issuer'?"),
        ("file = 'x'", "unknown key 'file'"),
        ("handed_on = {}", "unknown key 'handed_on'"),
        ("hosts = 'web1'", "hosts: 'web1' is not a list"),
        ("[probe]\nconcurrency = 'many'", "probe: concurrency: 'many' is not a whole number"),
        ("enabled = 1", "enabled: 1 is not true or false"),
        ("fail_on =", "sslaudit.toml: line 1: invalid value; in TOML a line is [a.table] or key = value, with text in"),
        ('fail_on = "low"\npolicy = webpki\nstate = "x"', "sslaudit.toml: line 2: invalid value"),
        ("\n[probe\ntimeout_s = 3", "sslaudit.toml: line 2: expected ']' at the end of a table declaration"),
        ('fail_on = "low"\nfail_on = "high"', "sslaudit.toml: line 2: cannot overwrite a value"),
        ("hosts = " + "[" * 20_000, "sslaudit.toml: its tables and lists are nested too deeply"),
    ],
)
def test_error_names_key_and_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadConfiguration, match=r"sslaudit\.toml") as caught:
        read(tmp_path, text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[fetch]\nproxy = ["http://me:hunter2-secret@proxy.example"]\n', "proxy"),
        ('[host."ssh://root:hunter2-secret@web1"]\nnam = "web1"\n', "host: 'ssh://root:[secret]@web1'"),
    ],
)
def test_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        read(tmp_path, text)
    assert key in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_secret_in_place_of_a_variables_name_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="env is not the name of an environment variable") as caught:
        read_secret(Configuration(tmp_path / "sslaudit.toml"), "issuer.s.token", Secret(env="hunter2-secret"))
    assert "hunter2" not in str(caught.value)


def test_file_that_is_not_in_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "sslaudit.toml").write_bytes(b'fail_on = "low"\nhosts = ["\xfc"]\n')
    with pytest.raises(BadConfiguration, match=r"sslaudit\.toml: line 2: it is not in UTF-8; save"):
        read_configuration(tmp_path, None)


def test_missing_file_that_the_user_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"nowhere\.toml: No such file"):
        read_configuration(tmp_path, str(tmp_path / "nowhere.toml"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_secret_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "token"
    file.write_text("very-secret\n")
    file.chmod(mode)
    configuration = Configuration(tmp_path / "sslaudit.toml")
    with pytest.raises(BadConfiguration, match=r"issuer\.store\.token: others can .*chmod 600") as refused:
        read_secret(configuration, "issuer.store.token", Secret(file="token"))
    assert "very-secret" not in str(refused.value)


def test_a_secret_is_read_from_a_private_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("very-secret\n")
    (tmp_path / "token").chmod(0o600)
    assert read_secret(Configuration(tmp_path / "sslaudit.toml"), "token", Secret(file="token")) == "very-secret"


def test_a_secret_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_TOKEN", "very-secret")
    assert read_secret(Configuration(), "token", Secret(env="STORE_TOKEN")) == "very-secret"


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (Secret(), "one of both"),
        (Secret("A", "b"), "one of both"),
        (Secret(env="SSLAUDIT_NOT_SET"), "the environment variable SSLAUDIT_NOT_SET is empty or not there"),
        (Secret(file="missing"), "missing: No such file or directory"),
        (Secret(file="empty"), "empty is empty or not there"),
        (Secret(file="two-lines"), "holds more than one line"),
        (Secret(file="binary"), "holds no text"),
        (Secret(file="."), r"is not a regular file|Is a directory"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, secret: Secret, why: str) -> None:
    for name, content in (("empty", b""), ("two-lines", b"a\nb"), ("binary", b"\xff\xfe")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    with pytest.raises(BadConfiguration, match=why):
        read_secret(Configuration(tmp_path / "sslaudit.toml"), "token", secret)
