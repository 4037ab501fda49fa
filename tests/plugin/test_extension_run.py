"""One run with a member of every kind, from a wheel that pip installed: audit, repair, notification and reports."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.distributions import documented, documented_files
from tests.support.evidence import rows
from tests.support.gatewayd import running_gateway
from tests.support.own_network import own_network
from tests.support.remediate.folder_hosts import AUTHORITY, plant

__all__ = ["own_network"]  # a fixture
NAME: Final = "api.example"
NAMED: Final = (
    "check acme-corp", "service gateway", "installer gateway", "issuer acme-ca", "solver acme-dns", "channel acme-log",
    "report acme-inventory",
)  # fmt: skip


@pytest.fixture
def port(pytester: pytest.Pytester, own_network: None) -> Iterator[int]:
    """Run the daemon of the page with an expired certificate; yields its port.

    It has a network of its own, because the run looks for every such process in its network.
    """
    del own_network
    folder = pytester.mkdir("gateway")
    plant(folder, NAME)
    (folder / "tls.key").chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        number: int = unused.getsockname()[1]
    with running_gateway(folder, NAME, number):
        yield number


def install(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the distribution of the page by pip into a directory of PYTHONPATH."""
    wheel, site = documented().wheel(pytester.path), pytester.path / "site"
    options = ("--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", "--target", site)
    subprocess.run([sys.executable, "-m", "pip", "install", *options, wheel], check=True)
    monkeypatch.setenv("PYTHONPATH", str(site))


def configure(folder: Path) -> None:
    """Write the configuration of the page, with a CA, for this machine alone."""
    ca = AUTHORITY.root
    (folder / "ca.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    (folder / "ca.key").write_bytes(ca.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "issued").mkdir()
    host = f'[host."local://"]\naddresses = ["127.0.0.1"]\nfolder = "{folder}/versions"\n'
    (folder / "sslaudit.toml").write_text(f'trust = ["ca.pem"]\n{documented_files()["sslaudit.toml"]}\n{host}')


def served(port: int) -> bytes:
    """Return the leaf that the daemon serves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain) as tls:
        return tls.getpeercert(binary_form=True) or b""


def test_members_of_every_kind_work_in_one_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    install(pytester, monkeypatch)
    configure(pytester.path)
    before = served(port)
    result = pytester.runpytest_subprocess(
        "--pyargs", "audit", "--hosts=local://", "--remediate", "--audit-state=state", "--audit-results=results.jsonl",
        "--html=report.html", "--self-contained-html", "-k", NAME, timeout=240,
    )  # fmt: skip
    output = result.stdout.str()
    page = pytester.path.joinpath("report.html").read_text()
    for extension in NAMED:
        assert f"sslaudit extension: {extension} (acme-sslaudit 1.2)" in output
        assert f"extension: {extension} (acme-sslaudit 1.2)" in page
    (case,) = rows(pytester.path / "results.jsonl", "remediation")
    assert (case["outcome"], case["endpoint"]) == ("proven", f"local/https://{NAME}:{port}"), output
    assert served(port) != before
    assert len(list(pytester.path.joinpath("issued").iterdir())) == 1
    verdicts = {(row["check"], row["phase"]): row["verdict"] for row in rows(pytester.path / "results.jsonl")}
    assert (verdicts["cert.expired", "before"], verdicts["cert.expired", "after"]) == ("fail", "pass")
    assert verdicts["acme.corp-issuer", "before"] == "fail"
    assert pytester.path.joinpath("inventory.txt").read_text().count(f"local/https://{NAME}:{port} ") == 2
    notices = pytester.path.joinpath("notices.log").read_text()
    assert notices.startswith(f"failed https://{NAME}:{port} cert.expired: ")  # the own check still fails
    assert "issued by Lab; Example Corp is required" in notices
