"""What root did not inspect on a host is seen by the user: on the terminal, in the results and in the report."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from audit.observation import HostView, Observation
from tests.support.evidence import NOW, WEB1, keep, rows
from tests.support.probe.tls_servers import both, serving, tls
from tests.support.x509.certificates import leaf

UNTRUSTED = tuple(f"process {4711 + number} named nginx belongs to uid 1001: not inspected" for number in range(16))
MORE = "44 more processes with a service's name are not trusted: not inspected"
SEEN = HostView("web1", "ssh://root@web1", "web1.example", clock_offset_s=0.0)


@pytest.mark.parametrize("level", ["low", "medium"])
def test_untrusted_processes_and_the_bound_on_them_are_reported(pytester: pytest.Pytester, level: str) -> None:
    keep(pytester.path / "evidence", [Observation(WEB1, NOW, server=replace(SEEN, not_trusted=(*UNTRUSTED, MORE)))])
    reports = ("--audit-results=results.jsonl", "--html=report.html")
    ended = pytester.runpytest(
        "--pyargs", "audit", "--audit-from-evidence=evidence", f"--audit-fail-on={level}", *reports
    )
    ended.stdout.fnmatch_lines([f"web1/  inconclusive host.not-inspected: {UNTRUSTED[0]}; *"])
    assert int(ended.ret) == (1 if level == "low" else 0)
    (row,) = (row for row in rows(pytester.path / "results.jsonl") if row["check"] == "host.not-inspected")
    assert (row["endpoint"], row["verdict"]) == ("web1/", "inconclusive")
    assert len(row["message"]) <= 500
    assert row["detail"]["message"] == "; ".join((*UNTRUSTED, MORE))
    assert UNTRUSTED[0] in (pytester.path / "report.html").read_text()


def test_what_could_not_be_read_on_a_host_fails_the_run(pytester: pytest.Pytester) -> None:
    keep(pytester.path / "evidence", [Observation(WEB1, NOW, server=replace(SEEN, missing_rights=(UNTRUSTED[0],)))])
    ended = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=evidence")
    ended.stdout.fnmatch_lines([f"web1/  inconclusive svc.unreachable: {UNTRUSTED[0]} *"])
    assert ended.ret == 1


def test_host_of_another_kernel_is_audited_from_outside(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    uname = pytester.mkdir("programs") / "uname"
    uname.write_text("#!/bin/sh\necho FreeBSD\n")
    uname.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uname.parent}:{os.environ['PATH']}")
    with serving(tls(both(leaf()))) as server:
        service = {"host": "local://", "name": "app", "endpoints": [f"https://127.0.0.1:{server.port}"],
                   "certificate": "/etc/app.crt", "key": "/etc/app.key"}  # fmt: skip
        values = "".join(f"{key} = {json.dumps(value)}\n" for key, value in service.items())
        pytester.path.joinpath("sslaudit.toml").write_text(f"[[service]]\n{values}")
        ended = pytester.runpytest(
            "--pyargs", "audit", "--hosts=local://", "--audit-config=sslaudit.toml", "--audit-results=results.jsonl"
        )
    sentence = "local/  inconclusive host.not-inspected: the host runs FreeBSD, and only Linux can be inspected: *"
    ended.stdout.fnmatch_lines([sentence])
    results = rows(pytester.path / "results.jsonl", "result")
    unsure = [row for row in results if row["verdict"] == "inconclusive" and "FreeBSD" in row["message"]]
    assert [row["check"] for row in unsure if "because" not in row["detail"]] == ["host.not-inspected"]
    inside = {row["check"] for row in unsure if row["detail"].get("because") == "host.not-inspected"}
    assert inside == {"key.mismatch", "key.permissions", "svc.config-missing-file", "svc.disk-vs-wire"}
    judged = {row["check"]: row["verdict"] for row in results if not row["endpoint"].endswith("/")}
    assert (judged["svc.unreachable"], judged["cert.self-signed"]) == ("pass", "fail")
