"""How much of the TLS configuration a run requests, and where the user finds it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from audit.endpoint import parse_endpoint
from audit.probe import Limits, Target
from pytest_sslaudit.cli import checkallsslcerts
from pytest_sslaudit.remediation.reobserve import observe_again
from tests.support.evidence import rows
from tests.support.probe.observations import look, look_at
from tests.support.probe.tls_servers import Count, both, openssl_server, serving, tls, with_ssl2
from tests.support.x509.certificates import leaf

CONFIGURED = ("-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA", "-groups", "P-256")
SUITES = {
    "TLSv1.2": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"],
    "TLSv1.3": ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"],
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with openssl_server(tmp_path_factory.mktemp("server"), *CONFIGURED) as port:
        yield f"tls://127.0.0.1:{port}"


def observed(pytester: pytest.Pytester, *arguments: str) -> Mapping[str, Any]:
    """Return the row of the one endpoint of a run."""
    pytester.runpytest("--pyargs", "audit", "--audit-results=results.jsonl", "-k", "unreachable", *arguments)
    (row,) = [row for row in rows(pytester.path / "results.jsonl", "observation") if row["endpoint"] != "run/"]
    return row


def test_run_requests_the_certificates_alone_unless_more_is_asked(pytester: pytest.Pytester, url: str) -> None:
    row = observed(pytester, f"--audit-endpoint={url}")
    assert row["tls"] is None
    assert row["connections"] <= 4


@pytest.mark.parametrize("workers", [(), ("--audit-workers=1",)], ids=["alone", "with a worker"])
def test_full_lists_are_in_the_results(pytester: pytest.Pytester, url: str, workers: tuple[str, ...]) -> None:
    found = observed(pytester, f"--audit-endpoint={url}", "--audit-depth=full", *workers)["tls"]
    assert (found["protocols"], found["suites"], found["complete"]) == (["TLSv1.2", "TLSv1.3"], SUITES, True)
    assert (found["server_preference"], found["groups"]) == ({"TLSv1.2": False, "TLSv1.3": False}, ["secp256r1"])


def test_depth_of_the_configuration_file_counts(pytester: pytest.Pytester, url: str) -> None:
    (pytester.path / "sslaudit.toml").write_text('depth = "standard"\n')
    row = observed(pytester, f"--audit-endpoint={url}")
    assert row["tls"]["depth"] == "standard"
    assert row["connections"] == row["tls"]["connections"] <= 12
    assert set(SUITES["TLSv1.2"]) == set(row["tls"]["suites"]["TLSv1.2"])


def test_version_that_only_a_deeper_run_finds_is_a_finding(pytester: pytest.Pytester) -> None:
    with serving(with_ssl2(both(leaf("www.example.com")), 0x010080)) as server:
        given = ("--pyargs", "audit", f"--audit-endpoint=tls://127.0.0.1:{server.port}", "-k", "old_protocol")
        assert pytester.runpytest(*given).ret == 0
        assert pytester.runpytest(*given, "--audit-depth=standard", "--audit-results=results.jsonl").ret == 1
    (found,) = [row for row in rows(pytester.path / "results.jsonl") if row["check"] == "tls.old-protocol"]
    assert found["message"] == "127.0.0.1 accepts SSLv2, which is forbidden"


def test_evidence_keeps_what_was_found(pytester: pytest.Pytester, url: str) -> None:
    seen = observed(pytester, f"--audit-endpoint={url}", "--audit-depth=full", "--audit-evidence=kept")
    again = observed(pytester, "--audit-from-evidence=kept")
    assert again["tls"] == seen["tls"] is not None


def test_unknown_depth_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--pyargs", "audit", "--audit-endpoint=tls://127.0.0.1:1", "--audit-depth=deep")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--audit-depth 'deep': use one of certificate, standard, full" in result.stderr.str()


def test_checkallsslcerts_requests_the_certificates_alone() -> None:
    options = argparse.Namespace(allow_retry=False, no_retry=False)
    arguments = checkallsslcerts._arguments(options, Path("/etc/sslaudit.toml"), Path("/reports"))
    assert "--audit-depth=certificate" in arguments


@pytest.fixture
def server() -> Iterator[Count]:
    with serving(tls(both(leaf("www.example.com")))) as count:
        yield count


def test_known_configuration_is_kept_and_not_requested_again(server: Count) -> None:
    url, full = f"tls://127.0.0.1:{server.port}", Limits(depth="full")
    (first,) = look_at(url, full).handshakes
    assert first.tls is not None
    before = server.connections
    (again,) = look([Target(parse_endpoint(url), known_tls={"127.0.0.1": first.tls})], full)
    assert again.handshakes[0].tls == first.tls
    assert server.connections - before <= 4


def test_observation_after_a_repair_keeps_the_configuration(server: Count) -> None:
    url = f"tls://127.0.0.1:{server.port}"
    first, seen = look_at(url, Limits(depth="standard")), list[Target]()
    controller = SimpleNamespace(
        hosts=SimpleNamespace(discoveries=(), targets=(Target(first.endpoint),)),
        run=SimpleNamespace(store=SimpleNamespace(observation_or_accident=lambda _: first)),
        observations=SimpleNamespace(observe=lambda targets, _phase: seen.extend(targets)),
        settings=None,
        stop=None,
    )
    observe_again(controller, frozenset({url}))  # type: ignore[arg-type]  # of the controller it needs no more
    assert [target.known_tls for target in seen] == [{"127.0.0.1": first.handshakes[0].tls}]
