"""Dry runs of typical cases, and what they print as files.

`python -m tests.unit.remediate.execution.samples` writes them again.

The host has fixed paths and nothing at them, because a dry run sends no command.

A change of the wording or of the commands is reviewed as the difference of these files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from audit.observation import InstalledFile
from remediate.execution.context import RunContext
from remediate.execution.dry_run_lines import dry_run_lines
from remediate.installers import CustomInstaller
from remediate.model.case import Repair, Validation, steps_of
from remediate.model.causes import Cause
from remediate.model.outcome import Attempt
from remediate.state.journal import Journal, open_journal
from tests.support.remediate.fake_host.ca import AUTHORITY, Ca
from tests.support.remediate.fake_host.host import FakeHost, FakeService
from tests.support.remediate.store_host import SECOND, StoreHost, planned, printed, with_second_service
from tests.support.store.server import Store

FOLDER: Final = Path(__file__).parent / "dry_runs"
_CHAIN: Final = (AUTHORITY.intermediate.certificate.public_bytes(Encoding.DER),)


class PathService(FakeService):
    """A service of which only the paths exist."""

    @property
    def files(self) -> tuple[InstalledFile, ...]:
        """The configured files, as an audit finds them."""
        paths = ((str(self.certificate), "certificate"), (str(self.key), "key"))
        return tuple(InstalledFile(path, kind, path, chain_der=_CHAIN) for path, kind in paths)  # type: ignore[arg-type]  # kinds they are


_FOLDER: Final = Path("/srv/a")
_SERVICE: Final = PathService("gateway-a", _FOLDER, 443, _FOLDER / "tls.crt", _FOLDER / "tls.key")
STORE_HOST: Final = StoreHost(
    with_second_service(FakeHost("a", _FOLDER, (_SERVICE,)), []),
    Store("https://store.example/api", "token-of-the-store", Path("/none"), Path("/none"), AUTHORITY),
    80,
)


def run_of(journal: Journal, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
    """Return a run on this host, whose services are reloaded by a short command."""
    services = (STORE_HOST.host.service, SECOND)
    installers = {name: CustomInstaller(name, f"{name} --check", f"systemctl reload {name}") for name in services}
    return STORE_HOST.run(journal, **{"installers": installers, **changes})


Sample = Callable[[Journal], str]


def of(repair: Repair, **changes: Any) -> Sample:  # noqa: ANN401 - any field
    """Return the dry run of one case."""
    return lambda journal: printed(STORE_HOST.case(repair, **changes), run_of(journal))


def modes_first(journal: Journal) -> str:
    """Return the dry run of a reissue that closes the keys to others first."""
    case = STORE_HOST.case()
    steps = steps_of(Repair.REISSUE, case.services, case.endpoints, fix_modes=True)
    return printed(replace(case, steps=steps), run_of(journal))


def lost_access(journal: Journal) -> str:
    """Return the dry run of a case that takes the access to the key away from users."""
    case = STORE_HOST.case()
    acl = ("user:alice:rw-", "user:bob:r--", "group::---")
    files = tuple(replace(file, mode="0664", group="tls", acl=acl) for file in case.files)
    return printed(replace(case, files=files), run_of(journal))


def two_hosts(journal: Journal) -> str:
    """Return the dry run of a name that two hosts serve."""
    run = run_of(journal)
    other = replace(run.host("a"), label="b", targets={}, workdir_root="/srv/of-b")
    case = STORE_HOST.case(validated_on=(Validation("a.example", ("a", "b")),))
    return printed(case, replace(run, hosts={**run.hosts, "b": other}))


def several_cases(journal: Journal) -> str:
    """Return the dry run of an open case that waits, and two new ones."""
    first, second = (STORE_HOST.case(Repair.HOST, id=name) for name in ("first", "second"))
    elsewhere = ("a/https://other.example:443",)
    begun = STORE_HOST.case(Repair.HOST, id="begun", endpoints=elsewhere, steps=steps_of(Repair.HOST, (), elsewhere))
    journal.begin(begun, datetime.now(UTC))
    due = datetime(2100, 1, 1, tzinfo=UTC)
    journal.attempts.add("begun", Attempt(datetime.now(UTC), "failed", "modes", Cause.MODES_NEEDED, "no", next_at=due))
    return "\n".join(dry_run_lines(planned(first, second), run_of(journal)))


def no_docroot(journal: Journal) -> str:
    """Return the dry run of a case that stops before its first change."""
    return printed(STORE_HOST.case(), run_of(journal, docroot_of=lambda _: "no web server was found"))


def no_installer(journal: Journal) -> str:
    """Return the dry run of a case whose services cannot be reloaded."""
    return printed(STORE_HOST.case(), run_of(journal, installers={}))


def no_preview(journal: Journal) -> str:
    """Return the dry run of a case whose issuer has no preview."""
    return printed(STORE_HOST.case(), run_of(journal, client=Ca(), name="other"))


SAMPLES: Final[Mapping[str, Sample]] = {
    "reissue": of(Repair.REISSUE),
    "rekey-of-a-compromised-key": of(Repair.REKEY, is_compromised=True),
    "rechain": of(Repair.RECHAIN, id="rechain"),
    "renewal-by-its-agent": of(Repair.RUN_OWNER, id="owner", owner="dehydrated"),
    "reload": of(Repair.RELOAD, id="reload"),
    "modes": of(Repair.HOST, id="modes"),
    "modes-first": modes_first,
    "lost-access": lost_access,
    "two-hosts": two_hosts,
    "several-cases": several_cases,
    "no-case": lambda journal: "\n".join(dry_run_lines(planned(), run_of(journal))),
    "no-docroot": no_docroot,
    "no-installer": no_installer,
    "no-preview": no_preview,
}


def text_of(name: str, journal: Journal) -> str:
    """Return what the dry run of a sample prints, without the number of characters of scripts."""
    return re.sub(r"\(\d+ characters\)", "(… characters)", SAMPLES[name](journal)) + "\n"


def main() -> None:
    """Write all samples."""
    for name in SAMPLES:
        with TemporaryDirectory() as folder, open_journal(Path(folder) / "state") as journal:
            (FOLDER / f"{name}.txt").write_text(text_of(name, journal), encoding="utf-8")


if __name__ == "__main__":
    main()
