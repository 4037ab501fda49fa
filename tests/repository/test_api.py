"""The public names of `audit`: each is there, each is described, and `import audit` alone imports little."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from types import ModuleType

import pytest

import audit
from audit import config, engine, redaction, services
from remediate import challenges, installers, issuers
from remediate.notify import channels
from tests.support.checkout import CHECKOUT
from tests.support.distributions import documented_files
from tests.support.probe.tls_servers import both, serving, tls
from tests.support.x509.certificates import leaf

PAGE = (CHECKOUT / "docs" / "api.md").read_text(encoding="utf-8")
EXTENDED = (config, redaction, services, installers, issuers, challenges, channels)
TOP = ("audit", "remediate", "pytest_sslaudit")
EXAMPLE_URL = "https://www.example.com"


def described(module: str) -> list[str]:
    """Return the names in the tables of the page that describe a module."""
    tables = re.findall(rf"^\| name of `{module}` .*\n(?:\|.*\n)+", PAGE, flags=re.MULTILINE)
    return [name for table in tables for name in re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)]


def run(code: str) -> str:
    """Return what a new Python process prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("module", [audit, engine], ids=["audit", "audit.engine"])
def test_page_describes_every_public_name_once(module: object) -> None:
    names = described(getattr(module, "__name__", ""))
    assert sorted(names) == sorted(getattr(module, "__all__", ()))
    assert names


@pytest.mark.parametrize("module", EXTENDED, ids=lambda module: module.__name__)
def test_page_describes_what_an_extension_may_import(module: ModuleType) -> None:
    names = described(module.__name__)
    assert names
    assert set(names) <= set(getattr(module, "__all__", vars(module)))


def test_documented_extension_imports_public_names_alone() -> None:
    public = {module.__name__: described(module.__name__) for module in (audit, *EXTENDED)}
    sources = {path: text for path, text in documented_files().items() if path.endswith(".py")}
    assert len(sources) >= 4
    for path, text in sources.items():
        imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
        ours = [node for node in imports if (node.module or "").partition(".")[0] in TOP]
        names = {(node.module, alias.name) for node in ours for alias in node.names}
        assert {(module, name) for module, name in names if name not in public.get(module or "", ())} == set(), path


@pytest.mark.parametrize("name", audit.__all__)
def test_public_name_can_be_imported(name: str) -> None:
    value = getattr(audit, name)
    assert value.__name__ == name
    assert value.__doc__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'audit' has no attribute 'Certificat'"):
        audit.Certificat  # type: ignore[attr-defined]  # noqa: B018 - that it is not there is the point


def test_import_of_audit_alone_is_cheap() -> None:
    loaded = run("import sys, audit; print(*sys.modules)").split()
    assert "audit.checks" in loaded
    heavy = {"cryptography", "OpenSSL", "dns", "pytest", "testinfra", "certifi"}
    assert not heavy & set(loaded)
    ours = {name.partition("audit.")[2].partition(".")[0] for name in loaded if name.startswith("audit.")}
    assert ours == {"checks", "json_codec", "policy", "text", "verdict"}  # a declaration looks its controls up


def test_example_of_the_page_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example.count(EXAMPLE_URL) == 1
    with serving(tls(both(leaf("localhost").named("localhost")))) as server:
        url = f"https://localhost:{server.port}"
        printed = run(example.replace(EXAMPLE_URL, f"{url}/?address=127.0.0.1"))
    assert re.search(rf"^{url}\S* cert.self-signed high self-signed", printed, flags=re.MULTILINE)
