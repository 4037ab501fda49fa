"""The daemon of docs/extending.md: its service is found, its files are read and its installer reloads it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import invalidate_caches
from pathlib import Path
from typing import Final

import pytest

from audit.config import BadConfiguration, Configuration, extension_services, read_configuration
from audit.host.collector import collector_text, collector_version
from audit.host.discovery import Login, discover
from audit.host.script import read_sections
from audit.probe import Target
from audit.services.model import MAX_SCRIPT_BYTES, shell_script
from pytest_sslaudit.cli.program import main as sslaudit
from remediate.cli.main import main as repair_program
from remediate.hosts import script
from remediate.hosts.local_command import LocalCommand, run_local
from remediate.installers import INSTALLERS, configured_installers
from remediate.model.authorization import Challenge
from remediate.wiring.sections import configured_solvers
from tests.support.distributions import Distribution, documented, documented_files
from tests.support.gatewayd import running_gateway
from tests.support.own_network import own_network
from tests.support.remediate.fake_host.host import write_expired
from tests.support.remediate.fake_host.session import run
from tests.support.remediate.fake_host.tls_server import served_at

__all__ = ["own_network"]  # a fixture
NAME: Final = "api.example"
NAMED: Final = '[extensions]\nservices = ["gateway"]\ninstallers = ["gateway"]\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty directory of `sys.path`; what is imported from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = {*sys.modules}
    yield folder
    for name in {*sys.modules} - before:
        if name.partition(".")[0] in ("acme_sslaudit", "acme"):
            del sys.modules[name]
    shell_script.cache_clear()
    script.cache_clear()


@dataclass(frozen=True, slots=True)
class Gateway:
    """The running daemon: its directory, its port and its process."""

    folder: Path
    port: int
    pid: int

    @property
    def served(self) -> str:
        """The certificate that it serves, as PEM."""
        return served_at(self.port)


@pytest.fixture
def gateway(tmp_path: Path, own_network: None) -> Iterator[Gateway]:
    """Run the daemon with an expired certificate, in a network of its own: the installer signals all in its network."""
    del own_network
    folder = tmp_path / "gateway"
    folder.mkdir()
    write_expired(folder, NAME)
    with running_gateway(folder, NAME) as (port, pid):
        yield Gateway(folder, port, pid)


def configured(folder: Path, text: str = NAMED) -> Configuration:
    """Return a configuration with this text."""
    file = folder / "sslaudit.toml"
    file.write_text(text)
    invalidate_caches()
    return read_configuration(folder, str(file))


def found(gateway: Gateway, login: Login) -> Target | None:
    """Return the target of the daemon, if it is found."""
    (discovery,) = discover([login], clock=lambda: datetime.now(UTC))
    return next((target for target in discovery.targets if target.endpoint.port == gateway.port), None)


def test_service_of_an_extension_is_found_with_its_files(site: Path, tmp_path: Path, gateway: Gateway) -> None:
    documented().unpack(site)
    extensions = extension_services(configured(tmp_path))
    target = found(gateway, Login("local://", extensions=extensions))
    assert target is not None
    assert target.server is not None
    assert (str(target.endpoint), target.server.service) == (f"local/https://{NAME}:{gateway.port}", "gateway")
    files = [(file.path, file.kind, file.fault, len(file.chain_der)) for file in target.server.files]
    folder = gateway.folder
    assert files == [(f"{folder}/tls.crt", "certificate", None, 2), (f"{folder}/tls.key", "key", None, 0)]


@pytest.mark.usefixtures("gateway")
def test_unnamed_service_is_not_discovered(site: Path, tmp_path: Path) -> None:
    documented().unpack(site)
    login = Login("local://", extensions=extension_services(configured(tmp_path, "")))
    (discovery,) = discover([login], clock=lambda: datetime.now(UTC))
    assert "gateway" not in {target.endpoint.service for target in discovery.targets}


def test_host_with_discovery_off_is_not_searched_for_extension_services(
    site: Path, tmp_path: Path, gateway: Gateway
) -> None:
    documented().unpack(site)
    assert (
        found(gateway, Login("local://", discover=False, extensions=extension_services(configured(tmp_path)))) is None
    )


def test_installer_of_an_extension_reloads_its_daemon(site: Path, tmp_path: Path, gateway: Gateway) -> None:
    documented().unpack(site)
    installers = configured_installers(configured(tmp_path))
    assert installers.keys() == {*INSTALLERS, "gateway"}
    before = gateway.served
    write_expired(gateway.folder, NAME)
    assert gateway.served == before
    for command in (installers["gateway"].check_config("host"), installers["gateway"].reload("host")):
        done = run(command)
        assert done.ok, done
    assert gateway.served != before


def test_solver_of_an_extension_presents_and_removes_a_challenge(site: Path, tmp_path: Path) -> None:
    documented().unpack(site)
    program, log = tmp_path / "acme-dns", tmp_path / "log"
    program.write_text(f'#!/bin/sh\necho "$@" >>{log}\n')
    program.chmod(0o755)
    section = f'[solver.zone]\nkind = "acme-dns"\ntypes = ["dns-01"]\nprogram = "{program}"\n'
    solver = configured_solvers(configured(tmp_path, section))["dns-01"]
    challenge = Challenge("dns-01", NAME, "token", "content")
    for action in (solver.present(challenge, None), solver.clean_up(challenge, None)):
        assert isinstance(action, LocalCommand)
        assert run_local(action, threading.Event()).ok
    record = f"_acme-challenge.{NAME} content"
    assert log.read_text() == f"add {record}\nremove {record}\n"


def test_repair_program_names_the_extensions_that_it_uses(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documented().unpack(site)
    configured(tmp_path)
    repair_program(["status", "--config", str(tmp_path / "sslaudit.toml"), "--state", str(tmp_path / "none")])
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [
        "extension: service gateway (acme-sslaudit 1.2)",
        "extension: installer gateway (acme-sslaudit 1.2)",
    ]


def test_collector_with_an_extension_inspects_its_service(
    site: Path, tmp_path: Path, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    documented().unpack(site)
    extensions = extension_services(configured(tmp_path))
    assert sslaudit(["collector", "--print", "--config", str(tmp_path / "sslaudit.toml")]) == 0
    program = tmp_path / "collector"
    program.write_text(capsys.readouterr().out)
    assert program.read_text() == collector_text(extensions) != collector_text()
    request = f"sslaudit-request {collector_version(extensions)} WORD\nservices\n"
    done = subprocess.run(["sh", program], input=request, capture_output=True, text=True, check=True)
    assert f"port = {gateway.port}" in read_sections("WORD", done.stdout)[f"gateway#{gateway.pid}.files"].text


def test_collector_names_an_extension_that_is_not_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configured(tmp_path)
    assert sslaudit(["collector", "--print", "--config", str(tmp_path / "sslaudit.toml")]) == 4
    assert "no service has the name 'gateway'" in capsys.readouterr().err


def test_shell_of_the_page_passes_shellcheck(tmp_path: Path) -> None:
    scripts = {path: text for path, text in documented_files().items() if path.endswith(".sh")}
    assert len(scripts) == 2
    for path, text in scripts.items():
        file = tmp_path / Path(path).name
        file.write_text(text)
        done = subprocess.run([Path(sys.executable).parent / "shellcheck", file], capture_output=True, check=False)
        assert done.stdout.decode() == ""


SERVICE: Final = "from audit.services import Service\nX = Service({}, lambda dump: (), package='acme')\n"
INSTALLER: Final = "from remediate.installers import Daemon\nX = Daemon({}, package='acme')\n"


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("services", SERVICE.format("'gate way', ('gatewayd',), ()"), "'gate way' does not match"),
        ("services", SERVICE.format("'gateway', ('gatewayd) id;;',), ()"), "'gatewayd) id;;' does not match"),
        ("services", SERVICE.format("'gateway', ('gatewayd',), ('-c$(id)',)"), "'-c$(id)' does not match"),
        ("services", SERVICE.format("'other', ('gatewayd',), ()"), "its name is 'other'; it must be that of the entry"),
        ("services", SERVICE.format("'gateway', ('gatewayd',), ()"), "shell/gateway.sh of the package acme cannot be"),
        ("services", SERVICE.format("'gateway', ('nginx',), ()"), "the process 'nginx' of gateway is also one of n"),
        ("services", "X = object()", "object is not an instance of Service"),
        ("installers", INSTALLER.format("'gateway', ('gate;wayd',), 'x'"), "'gate;wayd' does not match"),
        ("installers", INSTALLER.format("'gateway', ('gatewayd',), 'gateway'"), "No such file or directory"),
        ("installers", INSTALLER.format("'other', ('gatewayd',), 'gateway'"), "its name is 'other'"),
        ("installers", "X = object()", "object is not an instance of Installer"),
        ("installers", "class X:\n    name = 'gateway'\n    check_config = reload = start = lambda self: 0\nX = X()\n",
         "takes 1 positional argument"),
        ("installers", "class X:\n    name = 'gateway'\n    check_config = reload = start = lambda *_: 0\nX = X()\n",
         "<lambda> does not return a Command"),
    ],
)  # fmt: skip
def test_unusable_member_is_refused_with_its_fault(
    site: Path, tmp_path: Path, kind: str, code: str, message: str
) -> None:
    has_shell = "shell/" not in message
    shell = {"acme/shell/gateway.sh": "return 0\n"} if has_shell else {}
    files = {"acme/__init__.py": code, **shell}
    Distribution("acme", files=files, entry_points=((kind, "gateway", "acme:X"),)).unpack(site)
    configuration = configured(tmp_path, f'[extensions]\n{kind} = ["gateway"]\n')
    with pytest.raises(BadConfiguration) as refused:
        extension_services(configuration) if kind == "services" else configured_installers(configuration)
    assert f"{tmp_path}/sslaudit.toml: [extensions] {kind}" in str(refused.value)
    assert message in str(refused.value)


def test_service_with_too_much_shell_is_refused(site: Path, tmp_path: Path) -> None:
    files = {
        "acme/__init__.py": SERVICE.format("'gateway', ('gatewayd',), ()"),
        "acme/shell/gateway.sh": ":\n" * (MAX_SCRIPT_BYTES // 2 + 1),
    }
    Distribution("acme", files=files, entry_points=(("services", "gateway", "acme:X"),)).unpack(site)
    with pytest.raises(BadConfiguration, match=f"shell/gateway.sh has more than {MAX_SCRIPT_BYTES} bytes"):
        extension_services(configured(tmp_path, '[extensions]\nservices = ["gateway"]\n'))


@pytest.mark.parametrize("name", ["nginx", "exim"])
def test_installer_that_is_built_in_is_not_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadConfiguration, match=f"'{name}' is built in and always used"):
        configured_installers(configured(tmp_path, f'[extensions]\ninstallers = ["{name}"]\n'))


def test_declared_reload_command_beside_an_installer_is_refused(site: Path, tmp_path: Path) -> None:
    documented().unpack(site)
    service = (
        '[[service]]\nhost = "*"\nname = "gateway"\nendpoints = []\ncertificate = "/c"\nkey = "/k"\nreload = "x"\n'
    )
    with pytest.raises(BadConfiguration, match=r"\[\[service\]\] 'gateway' has a reload command"):
        configured_installers(configured(tmp_path, f"{NAMED}{service}"))
