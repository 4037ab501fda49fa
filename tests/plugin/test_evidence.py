"""Evidence: what was kept is judged again with no network, with the same verdicts, and only if nothing was changed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.config import BadConfiguration
from audit.endpoint import Endpoint
from audit.observation import SCHEMA, Observation, RevocationResponse
from pytest_sslaudit.evidence import EvidenceStore
from pytest_sslaudit.evidence.directories import new_evidence, notes_on, open_evidence
from pytest_sslaudit.evidence.signature import read_verifying_key
from tests.support.evidence import NOW, WEB1, A, B, host, keep, rows, unreachable
from tests.support.probe.tls_servers import closed_port

LARGE: Final = bytes(range(256)) * 20
KEY, OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32), Ed25519PrivateKey.from_private_bytes(b"o" * 32)
READ: Final = ("--pyargs", "audit", "--audit-from-evidence=kept", "--audit-results=again.jsonl",
               "-k", "svc.unreachable", "-p", "no:cacheprovider")  # fmt: skip


def verdicts(file: Path) -> dict[tuple[str, str], str]:
    return {(row["endpoint"], row["check"]): row["verdict"] for row in rows(file)}


def pem(key: Any) -> bytes:  # noqa: ANN401 - a key of any kind, private or public
    """Return a key in PEM: a private one in PKCS #8 without a passphrase."""
    if hasattr(key, "private_bytes"):
        form, without = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return bytes(key.private_bytes(serialization.Encoding.PEM, form, without))
    return bytes(key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def key_file(content: bytes, name: str = "evidence.key", mode: int = 0o600) -> str:
    """Write the file of a key into the current directory; return the option that names it."""
    Path(name).write_bytes(content)
    Path(name).chmod(mode)
    return f"--audit-evidence-key={name}"


def text_of(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


def read_again(pytester: pytest.Pytester, *arguments: str) -> tuple[int, str]:
    result = pytester.runpytest(*READ, *arguments)
    return int(result.ret), text_of(result)


@pytest.fixture
def kept(pytester: pytest.Pytester) -> Path:
    """Signed evidence of two endpoints, of which one has a large response, and of a host."""
    response = RevocationResponse("00", "crl", "http://ca/x.crl", NOW, content=LARGE)
    seen = Observation(B, NOW, revocation=(response,))
    return keep(pytester.path / "kept", [unreachable(A), seen, host()], KEY)


def test_evidence_yields_the_same_verdicts_without_a_network(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "sslaudit.toml").write_text('operator = "Jane Doe, Example Corp"\n')
    with closed_port() as port:
        endpoint, key = f"--audit-endpoint=https://127.0.0.1:{port}", key_file(pem(KEY))
        live = pytester.runpytest(
            "--pyargs", "audit", endpoint, "--audit-evidence=kept", "--audit-results=live.jsonl", key
        )

    def refuse(*_arguments: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    arguments = ("--pyargs", "audit", "--audit-from-evidence=kept", "--audit-results=again.jsonl")
    again = pytester.runpytest(*arguments, key_file(pem(KEY.public_key()), "evidence.pub", 0o644), "--html=again.html")
    assert live.ret == again.ret == 1
    found = verdicts(pytester.path / "live.jsonl")
    assert found == verdicts(pytester.path / "again.jsonl")
    assert "fail" in found.values()
    (run,) = rows(pytester.path / "again.jsonl", "run")
    assert (run["evidence"]["operator"], run["evidence"]["signature_verified"]) == ("Jane Doe, Example Corp", True)
    line = "by Jane Doe, Example Corp with pytest-sslaudit *; signature verified"
    again.stdout.fnmatch_lines([f"evidence: kept * {line}"])
    assert "Jane Doe, Example Corp with pytest-sslaudit" in (pytester.path / "again.html").read_text()


def test_manifest_names_the_run_its_policies_its_anchors_and_each_file(pytester: pytest.Pytester) -> None:
    (pytester.path / "corp.toml").write_text('extends = "webpki"\ntitle = "Corp"\nsource = "Corp PKI 1"\n')
    given = ("--audit-endpoint=https://127.0.0.1:1", "--audit-evidence=kept", "--audit-policy=corp.toml")
    pytester.runpytest("--pyargs", "audit", *given)
    manifest = json.loads((pytester.path / "kept" / "manifest.json").read_text())
    provenance = manifest["provenance"]
    assert set(manifest["files"]) == {file.name for file in Path("kept").iterdir()} - {"manifest.json"}
    assert (set(provenance["policies"]), set(provenance["trust"])) == ({"corp"}, {"mozilla"})
    assert (provenance["tool"], manifest["schema"], manifest["signed_by"]) == ("pytest-sslaudit", SCHEMA, None)
    assert provenance["operator"].startswith("root@" if os.getuid() == 0 else "")
    assert {stat.S_IMODE(file.stat().st_mode) for file in Path("kept").iterdir()} == {0o600}
    assert stat.S_IMODE(Path("kept").stat().st_mode) == 0o700


def _flip(position: float) -> Callable[[Path], object]:
    """Return what changes one bit of a file, at this part of its length."""

    def flip(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[int(position * (len(content) - 1))] ^= 1
        file.write_bytes(bytes(content))

    return flip


def _swap(file: Path) -> None:
    """Put the observation of another endpoint in the place of this one."""
    shutil.copy(EvidenceStore(file.parent).file_of(WEB1), file)


def _link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def _make_special(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _append(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\n")


CHANGES: Final[dict[str, Callable[[Path], object]]] = {
    "first-bit": _flip(0), "middle-bit": _flip(0.5), "last-bit": _flip(1), "appended": _append, "removed": Path.unlink,
    "swapped": _swap, "link": _link, "special": _make_special,
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["run.json", "manifest.json", "manifest.sig"])
def test_changed_file_of_the_whole_run_ends_the_run(kept: Path, name: str, change: str) -> None:
    CHANGES[change](kept / name)
    with pytest.raises(pytest.UsageError) as refused:
        open_evidence(kept, KEY.public_key())
    assert "\n" not in str(refused.value)
    assert str(kept) in str(refused.value)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("content", [False, True], ids=["observation", "response"])
def test_changed_file_makes_its_endpoint_inconclusive(kept: Path, change: str, *, content: bool) -> None:
    store = open_evidence(kept, KEY.public_key())
    endpoint, file = (B, next(kept.glob("*.der"))) if content else (A, store.file_of(A))
    CHANGES[change](file)
    accident = store.observation_or_accident(endpoint).accident
    assert accident is not None
    assert (file.name in accident.reason, accident.trace) == (True, "")
    assert store.observation_or_accident(WEB1).accident is None


def test_changed_file_is_named_by_a_run_and_the_other_endpoints_are_judged(
    pytester: pytest.Pytester, kept: Path
) -> None:
    file = EvidenceStore(kept).file_of(A)
    _flip(0.5)(file)
    before = {file.name: file.read_bytes() for file in kept.iterdir()}
    status, text = read_again(pytester, "-n", "2", key_file(pem(KEY)))
    found = verdicts(pytester.path / "again.jsonl")
    assert (status, found[str(A), "svc.unreachable"], found[str(WEB1), "svc.unreachable"]) == (
        1,
        "inconclusive",
        "pass",
    )
    assert f"evidence {file.name} in " in text
    assert "its content has changed since it was kept" in text
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == before  # reading writes nothing


@pytest.mark.parametrize("name", ["manifest.json", "run.json"])
def test_missing_or_changed_manifest_is_a_usage_error(pytester: pytest.Pytester, kept: Path, name: str) -> None:
    _flip(0.5)(kept / name)
    status, text = read_again(pytester)
    assert (status, f"{name}: its content has changed" in text) == (pytest.ExitCode.USAGE_ERROR, True)
    (kept / "manifest.json").unlink()
    status, text = read_again(pytester)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "it has no manifest.json, because the run that wrote it was killed or is still going on" in text
    assert not (pytester.path / "again.jsonl").exists() or rows(pytester.path / "again.jsonl") == []


def test_observation_that_was_put_in_is_named_and_not_judged(pytester: pytest.Pytester) -> None:
    kept = keep(pytester.path / "kept", [unreachable(A), unreachable(B)], KEY)
    signed = {name: (kept / name).read_bytes() for name in ("manifest.json", "manifest.sig", "run.json")}
    file = EvidenceStore(kept).file_of(B)
    removed = file.read_bytes()
    file.unlink()
    keep(kept, [unreachable(A)], KEY)
    file.write_bytes(removed)
    (kept / "no\nfile").write_bytes(b"")
    (kept / "run.json").unlink()
    assert read_again(pytester)[0] == pytest.ExitCode.USAGE_ERROR
    keep(kept, [unreachable(A)], KEY)
    manifest = json.loads((kept / "manifest.json").read_text())
    assert file.name in manifest["files"]  # what stands there when a run ends is part of its evidence
    for name, content in signed.items():
        (kept / name).write_bytes(content)
    status, text = read_again(pytester, key_file(pem(KEY)))
    assert status == 1
    assert r"not read, because the manifest does not list it: 'no\nfile'" in text


def test_endpoint_without_a_listed_file_was_not_observed(kept: Path) -> None:
    store = open_evidence(kept, None)
    other = Endpoint("https", "c.example", 443)
    EvidenceStore(kept).keep(unreachable(other))
    accident = store.observation_or_accident(other).accident
    assert accident is not None
    assert "was not observed in the run that kept it" in accident.reason


SIGNED, NOT_SIGNED = KEY, None
EC_KEY = generate_private_key(SECP256R1())
USES: Final = {
    # who signed, what the reader names, what is reported
    "public": (SIGNED, (pem(KEY.public_key()), 0o644), "fine"),
    "private": (SIGNED, (pem(KEY), 0o600), "fine"),
    "none": (SIGNED, None, "signature not verified"),
    "unsigned": (NOT_SIGNED, None, "fine"),
    "unsigned-with-key": (NOT_SIGNED, (pem(KEY), 0o600), "it is not signed, and --audit-evidence-key requires"),
    "other": (SIGNED, (pem(OTHER_KEY.public_key()), 0o644), "it is signed by the key "),
    "open-private": (SIGNED, (pem(KEY), 0o644), "others can read or change"),
    "writable": (SIGNED, (pem(KEY.public_key()), 0o666), "others can write to"),
    "other-kind": (SIGNED, (pem(EC_KEY), 0o600), "another kind than Ed25519"),
    "other-public": (SIGNED, (pem(EC_KEY.public_key()), 0o600), "another kind than Ed25519"),
    "garbage": (SIGNED, (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600), "key in PEM"),
    "empty": (SIGNED, (b"", 0o600), "key in PEM"),
    "encrypted": (SIGNED, (KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                  serialization.BestAvailableEncryption(b"x")), 0o600), "the key is encrypted"),
}  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_signature_is_verified_with_the_named_key(tmp_path: Path, use: str) -> None:
    signer, given, words = USES[use]
    kept = keep(tmp_path / "kept", [unreachable(A)], signer)
    file = tmp_path / "evidence.key"
    try:
        if given:
            file.write_bytes(given[0])
            file.chmod(given[1])
        key = read_verifying_key(file) if given else None
        store = open_evidence(kept, key)
        said = " ".join(notes_on(store, key)) or "fine"
    except (BadConfiguration, pytest.UsageError) as error:
        said = str(error)
    assert words in said


def test_refused_signature_is_a_usage_error(pytester: pytest.Pytester, kept: Path) -> None:
    (kept / "manifest.sig").write_bytes(b"x" * 64)
    status, text = read_again(pytester, key_file(pem(KEY)))
    assert (status, "it is not the signature of manifest.json" in text) == (pytest.ExitCode.USAGE_ERROR, True)
    status, text = read_again(pytester)
    assert (status, "signature not verified (key " in text) == (1, True)


@pytest.mark.parametrize("removed", ["manifest.sig", "signed_by"])
def test_stripped_signature_ends_the_run_with_a_key(kept: Path, removed: str) -> None:
    if removed == "signed_by":
        (kept / "manifest.sig").unlink()
        keep(kept, [unreachable(A)])  # an attacker writes another manifest, without a signature
    else:
        (kept / removed).unlink()
    with pytest.raises(pytest.UsageError, match=r"not signed|manifest\.sig"):
        open_evidence(kept, KEY.public_key())


def test_openssl_verifies_the_signature_as_documented(kept: Path, tmp_path: Path) -> None:
    signed = b"pytest-sslaudit evidence manifest\n" + (kept / "manifest.json").read_bytes()
    (tmp_path / "signed").write_bytes(signed)
    (tmp_path / "evidence.pub").write_bytes(pem(KEY.public_key()))
    command = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "evidence.pub",
        "-rawin",
        "-in",
        "signed",
        "-sigfile",
    ]
    subprocess.run([*command, str(kept / "manifest.sig")], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--audit-evidence=new", "--audit-evidence-key=missing.key"),
            "--audit-evidence-key: missing.key: No such file",
        ),
        (("--audit-evidence=new", "--audit-evidence-key=open.key"), "chmod 600 open.key"),
        (("--audit-evidence=new", "--audit-evidence-key=public.key"), "a signature needs one"),
        (("--audit-evidence-key=public.key",), "name its directory with --audit-evidence"),
        (("--audit-evidence=new", "--audit-from-evidence=new"), "exclude each other"),
    ],
)
def test_unusable_key_ends_the_run_before_it_observes(
    pytester: pytest.Pytester, arguments: tuple[str, ...], words: str
) -> None:
    key_file(pem(KEY), "open.key", 0o640)
    key_file(pem(KEY.public_key()), "public.key")
    result = pytester.runpytest("--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:1", *arguments)
    text = text_of(result).replace(f"{pytester.path}/", "")
    assert (result.ret, words in text, Path("new").exists()) == (pytest.ExitCode.USAGE_ERROR, True, False), text


def test_evidence_of_an_earlier_run_is_moved_and_named(pytester: pytest.Pytester) -> None:
    kept = keep(pytester.path / "kept", [unreachable(A)], KEY)
    arguments = ("--audit-evidence=kept", "-k", "nothing_is_called_so")
    result = pytester.runpytest("--pyargs", "audit", "--audit-endpoint=https://127.0.0.1:1", *arguments)
    (earlier,) = kept.glob("earlier-*")
    assert {file.name for file in kept.iterdir()} == {"run.json", "manifest.json", earlier.name}
    result.stdout.fnmatch_lines([f"evidence * was moved to {earlier}"])
    assert open_evidence(earlier, KEY.public_key()).observation(A) == unreachable(A)
    assert "not read" not in read_again(pytester)[1]


def test_two_earlier_runs_have_directories_of_their_own(tmp_path: Path) -> None:
    for _ in range(3):
        keep(tmp_path, [unreachable(A)])
        os.utime(tmp_path / "run.json", (1, 1))
        new_evidence(tmp_path).close()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"earlier-19700101T000001Z{suffix}" for suffix in ("", "-2", "-3")
    ]


def test_directory_that_another_run_writes_to_is_refused(tmp_path: Path) -> None:
    first = new_evidence(tmp_path)
    with pytest.raises(pytest.UsageError, match="another run writes its evidence there now"):
        new_evidence(tmp_path)
    first.close()
    new_evidence(tmp_path).close()


def test_interrupted_run_leaves_no_manifest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="import pytest\ndef test_stopped(endpoint): pytest.exit('stop')")
    pytester.runpytest("test_own.py", "--audit-endpoint=https://127.0.0.1:1", "--audit-evidence=kept")
    assert (pytester.path / "kept" / "run.json").exists()
    assert not (pytester.path / "kept" / "manifest.json").exists()
    status, text = read_again(pytester)
    assert (status, "the run that wrote it was killed" in text) == (pytest.ExitCode.USAGE_ERROR, True)


@pytest.mark.parametrize("name", ["run.json", "manifest.json"])
@pytest.mark.parametrize("schema", [SCHEMA - 1, 99])
def test_evidence_of_another_schema_is_refused_by_both_versions(
    pytester: pytest.Pytester, name: str, schema: int
) -> None:
    kept = keep(pytester.path / "kept", [unreachable(A)])
    (kept / name).write_text(json.dumps({**json.loads((kept / name).read_text()), "schema": schema}))
    if name == "run.json":
        (kept / "manifest.json").unlink()  # earlier versions wrote none
    status, text = read_again(pytester)
    (line,) = (line for line in text.splitlines() if "schema" in line)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"written with schema {schema} by " in line
    assert f"this version reads schema {SCHEMA}" in line


def test_damaged_evidence_is_refused(pytester: pytest.Pytester) -> None:
    kept = keep(pytester.path / "kept", [unreachable(A)])
    for content in (b"", b"[" * 100_000, b"{}", b"\xff", b"[]", f'{{"schema":{SCHEMA}}}'.encode()):
        (kept / "manifest.json").write_bytes(content)
        with pytest.raises(pytest.UsageError, match="its content has changed"):
            open_evidence(kept, None)


def test_evidence_can_be_judged_as_of_another_time(pytester: pytest.Pytester) -> None:
    kept = keep(pytester.path / "kept", [unreachable(A)])
    arguments = ("--audit-from-evidence", str(kept), "--audit-now=2027-01-01T00:00:00Z")
    pytester.makepyfile(test_own="def test_year(now, endpoint): assert now.year == 2027")
    pytester.runpytest("test_own.py", *arguments).assert_outcomes(passed=1)
