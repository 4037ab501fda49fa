"""What the lab writes of itself: `lab.json`, and what its arguments name: endpoints, policy, configuration, token."""

from __future__ import annotations

import json
import os
import pwd
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from audit.endpoint import RUN, Endpoint, parse_endpoint
from tests.lab.control import reload_command
from tests.lab.faults import DOMAIN, HOST, HOST_LABEL, RUN_FINDS, UNUSABLE_LINE, Planted
from tests.lab.file_services import Service

PROBE_TIMEOUT_S: Final = 8.0  # everything is near, but the machine may be busy; what takes longer never comes
_MAX_CASES: Final = 100  # all of them in one run
_OF_PUBLIC_CAS: Final = ("cert.profile-br", "cert.lint-br", "cert.internal-name", "cert.no-revocation-info")


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that is being served, as `lab.json` has it."""

    endpoints: tuple[str, ...]  # URLs of what is audited from outside
    hosts: tuple[str, ...]
    trust: str  # the PEM file of the lab's root, which is the Store's too
    arguments: tuple[str, ...]  # what makes `pytest --pyargs audit` audit it, and repair it with `--remediate`
    faults: Mapping[str, tuple[str, ...]]  # by endpoint id; what is not in it is sound
    store_orders: str  # a file: a line of JSON for every order that was ever placed
    mail: str  # a folder: a file for every email
    downtime: str  # a file: a line of JSON for every moment at which a service of the host was not as well as before


@dataclass(frozen=True, slots=True)
class Place:
    """A row of the table and where it listens."""

    planted: Planted
    port: int

    @property
    def url(self) -> str:
        """The URL as for `--audit-endpoint`."""
        planted, first = self.planted, self.planted.addresses[0]
        host = f"[{first}]" if ":" in first else first
        if planted.lookup != "pinned":
            return f"{planted.scheme}://{planted.name}:{self.port}"
        asked = f"?sni={planted.name}" if planted.label else ""
        return f"{planted.scheme}://{host}:{self.port}{asked}"

    @property
    def id(self) -> str:
        """What it is called in results."""
        if not self.planted.files:
            return str(parse_endpoint(self.url))
        return str(Endpoint(self.planted.scheme, self.planted.name, self.port, host=HOST_LABEL, hostspec=HOST))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is beside the endpoints: ports on loopback, and the Store."""

    resolver: str
    website_port: int
    control_port: int
    mail_port: int
    store_url: str
    token: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The lab's folder, and what is where in it."""

    path: Path

    @property
    def trust(self) -> Path:
        """The lab's root."""
        return self.path / "root.pem"

    @property
    def host(self) -> Path:
        """What is on the host: the files of its services, and what repairs keep there."""
        return self.path / "host"

    @property
    def docroot(self) -> Path:
        """The website's."""
        return self.path / "www"

    @property
    def store(self) -> Path:
        """The Store's."""
        return self.path / "store"

    @property
    def mail(self) -> Path:
        """The emails."""
        return self.path / "mail"

    @property
    def downtime(self) -> Path:
        """What the watcher notes."""
        return self.path / "downtime.jsonl"


def new_token() -> str:
    """Return a random token for the Store."""
    return secrets.token_hex(20)


def describe(folder: Folder, places: tuple[Place, ...], services: Iterable[Service], around: Surroundings) -> Lab:
    """Write everything that `lab.json` names, and at last, by rename, `lab.json`."""
    outside = tuple(place.url for place in places if not place.planted.files)
    known = {place.planted: place for place in places}
    served = tuple((known[service.planted], service) for service in services)
    endpoints, policy, token = (folder.path / name for name in ("endpoints.txt", "lab.toml", "token"))
    endpoints.write_text("".join(f"{line}\n" for line in (*outside, UNUSABLE_LINE)), encoding="utf-8")
    policy.write_text(_policy(), encoding="utf-8")
    token.touch(0o600)
    token.write_text(f"{around.token}\n", encoding="ascii")
    configuration = folder.path / "sslaudit.toml"
    configuration.write_text(
        _configuration(folder, around, token) + _services(served, folder, around), encoding="utf-8"
    )
    arguments = {"endpoints": endpoints, "trust": folder.trust, "policy": policy, "config": configuration}
    lab = Lab(
        endpoints=outside,
        hosts=(HOST,),
        trust=str(folder.trust),
        arguments=tuple(text for name, value in arguments.items() for text in (f"--audit-{name}", str(value))),
        faults={**{place.id: place.planted.finds for place in places if place.planted.finds}, str(RUN): RUN_FINDS},
        store_orders=str(folder.store / "orders.jsonl"),
        mail=str(folder.mail),
        downtime=str(folder.downtime),
    )
    unfinished = folder.path / "lab.json.new"
    unfinished.write_text(json.dumps(asdict(lab), indent=2) + "\n", encoding="utf-8")
    unfinished.rename(folder.path / "lab.json")
    return lab


def _policy() -> str:
    """Return the public PKI's policy for services that run as the user of the lab, and a CA that is not public."""
    is_private = {f'"{check}"': "the lab's CA is not a public one" for check in _OF_PUBLIC_CAS}
    thresholds = _table("thresholds", key_owners=["root", _user()])
    return (
        _table("", extends="webpki", title="The lab", source="the lab") + thresholds + _table("disabled", **is_private)
    )


def _user() -> str:
    """Return who serves the lab, as stat(1) says it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "UNKNOWN"


def _configuration(folder: Folder, around: Surroundings, token: Path) -> str:
    """Return how the lab is audited and repaired: nothing of it leads out of its folder and this machine."""
    addresses = ["127.0.0.1", "127.0.0.8", "127.0.0.9"]
    return "\n".join(
        (
            _table("", hosts=[HOST], state=str(folder.path / "state")),
            _table("probe", resolver=[around.resolver], timeout_s=PROBE_TIMEOUT_S),
            _table("fetch", allow_private=True),
            _table(f'host."{HOST}"', name=DOMAIN, addresses=addresses, discover=False,
                   folder=str(folder.host / "kept")),
            _table("issuer.store", kind="store", base_url=around.store_url, token={"file": str(token)}),
            _table("remediate", issuer="store", max_cases=_MAX_CASES, http_port=around.website_port),
            _table("mail", to=[f"admin@{DOMAIN}"], **{"from": f"sslaudit@{DOMAIN}"},
                   smtp=f"smtp://127.0.0.1:{around.mail_port}"),
        )
    )  # fmt: skip


def _services(served: Iterable[tuple[Place, Service]], folder: Folder, around: Surroundings) -> str:
    return "".join(f"\n[[service]]\n{_keys(_service(place, one, folder, around))}" for place, one in served)


def _service(place: Place, service: Service, folder: Folder, around: Surroundings) -> dict[str, Any]:
    """Return the table of a service, which listens at its own addresses only."""
    planted, paths = service.planted, service.paths
    names = (planted.name, *(f"{label}.{DOMAIN}" for label in (planted.files.also if planted.files else ())))
    agrees = planted.files is not None and planted.files.content != "key-of-another"
    return {
        "host": HOST,
        "name": service.name,
        "endpoints": [
            f"{planted.scheme}://{name}:{place.port}?address={address}"
            for name in names
            for address in planted.addresses
        ],
        "certificate": str(paths.certificate),
        "key": str(paths.key),
        **({"chain": str(paths.chain)} if paths.chain else {}),
        "docroot": str(folder.docroot),
        "test": paths.test if agrees else paths.careless_test,
        "reload": reload_command(around.control_port, service.name),
    }


def _table(name: str, /, **keys: Any) -> str:  # noqa: ANN401 - what TOML holds
    return f"[{name}]\n{_keys(keys)}" if name else _keys(keys)


def _keys(keys: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in keys.items())


def _toml(value: Any) -> str:  # noqa: ANN401 - what TOML holds
    """Return a value in TOML, which is JSON's form but for tables."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    return json.dumps(value)
