"""With `--remediate`, workers judge endpoints from outside, and the run repairs and judges again those of its hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from pytest_sslaudit.fleet.result_spool import ResultSpool
from tests.lab.demo import served
from tests.support.evidence import rows
from tests.support.probe.tls_servers import both, serving, tls
from tests.support.x509.certificates import leaf

EXPIRED: Final = "expired-mail"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve the lab from a process of its own."""
    with served(tmp_path_factory.mktemp("lab"), EXPIRED) as running:
        yield running


def test_run_repairs_its_hosts_while_a_worker_judges_another_endpoint(
    pytester: pytest.Pytester, lab: Any, monkeypatch: pytest.MonkeyPatch  # noqa: ANN401 - JSON
) -> None:  # fmt: skip
    judged, add = list[str](), ResultSpool.add

    def noting(spool: ResultSpool, endpoint: str, results: str) -> None:
        judged.append(endpoint)
        add(spool, endpoint, results)

    monkeypatch.setattr(ResultSpool, "add", noting)
    with serving(tls(both(leaf("self.example").named("self.example")))) as server:
        outside = f"https://self.example:{server.port}?address=127.0.0.1"
        arguments = ("--audit-results=results.jsonl", "--remediate", "--audit-workers=1", "--audit-endpoint", outside)
        pytester.runpytest(
            "--pyargs", "audit", *lab["arguments"], *arguments, "-k", f"{EXPIRED}.lab.test or self.example"
        )
    assert judged == [f"https://self.example:{server.port}+127.0.0.1"]
    found = rows(pytester.path / "results.jsonl")
    of_host = {row["phase"]: row["verdict"] for row in found if row["check"] == "cert.expired" and row["host"]}
    assert of_host == {"before": "fail", "after": "pass"}
    of_worker = [(row["phase"], row["verdict"]) for row in found
                 if row["check"] == "cert.self-signed" and not row["host"]]  # fmt: skip
    assert of_worker == [("before", "fail")]
