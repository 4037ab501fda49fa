"""Revocation in a whole run: fetched by the controller, kept with the evidence, judged by every worker."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.observation import Observation, RevocationResponse
from pytest_sslaudit.evidence import BadEvidence, EvidenceStore
from pytest_sslaudit.evidence.directories import new_evidence
from tests.lab.demo import served
from tests.support.endpoint_facts import observed
from tests.support.endpoint_facts import served as handshake_of
from tests.support.evidence import NOW, A, B, keep, rows
from tests.support.x509.crls import crl
from tests.support.x509.ocsp_responses import ASKED, CA, CRL_URL, ROOT
from tests.support.x509.sha1_signatures import crl_by_sha1

LABELS = ("www", "ocsp", "revoked")
CHECK = "cert.revoked"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with served(tmp_path_factory.mktemp("lab"), *LABELS) as running:
        yield running


def audited(pytester: pytest.Pytester, lab: Any, *arguments: str) -> dict[str, str]:  # noqa: ANN401 - JSON
    results = pytester.path / "results.jsonl"
    state = pytester.path / "state"
    pytester.runpytest("--pyargs", "audit", *lab["arguments"], f"--audit-state={state}",
                                  f"--audit-results={results}", *arguments)  # fmt: skip
    return {row["endpoint"].split("//")[1].split(".")[0]: row["verdict"]
            for row in rows(results) if row["check"] == CHECK}  # fmt: skip


EXPECTED = {"www": "pass", "ocsp": "pass", "revoked": "fail"}


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "worker"])
def test_evidence_yields_the_revocation_result_without_a_responder(
    pytester: pytest.Pytester, lab: Any, workers: tuple[str, ...]  # noqa: ANN401 - JSON
) -> None:  # fmt: skip
    assert audited(pytester, lab, *workers, "--audit-evidence=kept") == EXPECTED
    assert len(list((pytester.path / "state" / "revocation").glob("*.answer"))) == 2
    shutil.rmtree(pytester.path / "state")
    again, state = pytester.path / "again.jsonl", pytester.path / "state"
    trusting = (f"--audit-trust={lab['trust']}", f"--audit-state={state}", f"--audit-results={again}")
    pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept", *trusting)
    assert sorted(row["verdict"] for row in rows(again) if row["check"] == CHECK) == ["fail", "pass", "pass"]
    assert not state.exists()


def test_run_without_the_revocation_check_makes_no_request(pytester: pytest.Pytester, lab: Any) -> None:  # noqa: ANN401 - JSON
    assert audited(pytester, lab, "-k", "test_not_expired", "--audit-evidence=kept") == {}
    assert not (pytester.path / "state" / "revocation").exists()
    kept = [json.loads(file.read_text()) for file in (pytester.path / "kept").glob("*.json")]
    assert {str(one.get("revocation")) for one in kept} == {"None"}


def test_configuration_can_disable_revocation_requests(pytester: pytest.Pytester, lab: Any) -> None:  # noqa: ANN401 - JSON
    (given,) = (lab["arguments"][index + 1] for index, one in enumerate(lab["arguments"]) if one == "--audit-config")
    text = Path(given).read_text().replace("[fetch]\n", "[fetch]\nrevocation = false\n")
    quiet = Path(given).with_name("quiet.toml")
    quiet.write_text(text)
    arguments = tuple(str(quiet) if one == given else one for one in lab["arguments"])
    found = audited(pytester, {**lab, "arguments": arguments})
    assert set(found.values()) == {"not-applicable"}
    assert not (pytester.path / "state" / "revocation").exists()


OLD_CA = """
extends = "private-pki"
[thresholds]
revocation_digests = { value = ["sha1"], source = "Corp PKI policy 3" }
"""


@pytest.mark.parametrize(("policy", "verdict"), [("old.toml", "pass"), ("private-pki", "inconclusive")])
def test_policy_file_admits_crls_by_sha1_of_a_private_pki(pytester: pytest.Pytester, policy: str, verdict: str) -> None:
    content = crl_by_sha1(crl(CA), CA)
    response = RevocationResponse(sha256(ASKED.der).hexdigest(), "crl", CRL_URL, NOW, content=content)
    handshake = replace(handshake_of(), chain_der=(ASKED.der, CA.der))
    keep(pytester.path / "kept", [replace(observed(handshake), revocation=(response,))])
    (pytester.path / "old.toml").write_text(OLD_CA, encoding="utf-8")
    anchor = x509.load_der_x509_certificate(ROOT.der).public_bytes(Encoding.PEM)
    (pytester.path / "root.pem").write_bytes(anchor)
    pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept", "--audit-trust=root.pem",
                       f"--audit-policy={policy}", "--audit-results=results.jsonl")  # fmt: skip
    judged = rows(pytester.path / "results.jsonl")
    assert [row["verdict"] for row in judged if row["check"] == CHECK] == [verdict]


def seen(*contents: bytes | None) -> tuple[RevocationResponse, ...]:
    return tuple(RevocationResponse("00", "crl", "http://ca/x.crl", NOW, content=content) for content in contents)


def test_large_crl_is_kept_once_for_all_certificates(tmp_path: Path) -> None:
    large = bytes(range(256)) * 400
    observations = [Observation(one, NOW, revocation=seen(large, b"small", None)) for one in (A, B)]
    store = EvidenceStore(keep(tmp_path, observations))
    (file,) = tmp_path.glob("*.der")
    assert file.read_bytes() == large
    assert all(len(one.read_bytes()) < 3000 for one in tmp_path.glob("*.json"))
    first, second = store.observation(A), store.observation(B)
    assert [first, second] == observations
    assert first is not None
    assert second is not None
    assert (first.revocation or ())[0].content is (second.revocation or ())[0].content
    new_evidence(tmp_path).close()
    assert list(tmp_path.glob("*.der")) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "run.json", "0" * 64 + ".der"])
def test_evidence_names_only_its_own_files(tmp_path: Path, name: str) -> None:
    store = EvidenceStore(keep(tmp_path, [Observation(A, NOW, revocation=seen(b"x" * 5000))]))
    file = store.file_of(A)
    value = json.loads(file.read_text())
    value["revocation"][0]["content_in"] = name
    file.write_text(json.dumps(value))
    with pytest.raises(BadEvidence, match="evidence"):
        store.observation(A)


def test_observation_without_requests_is_unchanged_by_storage(tmp_path: Path) -> None:
    observation = Observation(A, NOW)
    for one in (observation, replace(observation, revocation=())):
        assert EvidenceStore(keep(tmp_path, [one])).observation(A) == one
