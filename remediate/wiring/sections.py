"""Reads the sections of the configuration that the repair owns, and builds the issuer and the network access from them.

No connection is opened. A secret is read at the start, to report a missing one, and again whenever it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from audit.config import (
    BadConfiguration,
    ConfigSection,
    Configuration,
    require_private_secrets,
    section,
    subsections,
)
from audit.firewall.exposure import PORT as HTTP_PORT
from audit.json_codec import nearest
from audit.policy import Profile, load_profile
from audit.probe.dns.root_servers import BadHints, RootServer, read_hints
from audit.probe.http.fetch import Fetcher, FetchPolicy
from remediate.challenges import BadSolver, Solver, read_solver
from remediate.challenges.dns_lookup import LookUps, Resolution, Roots
from remediate.execution.context import ConfiguredIssuer, Network
from remediate.issuers import BadIssuer, IssuerRun, read_issuer
from remediate.issuers.none import NoIssuer
from remediate.model.case import AGENT
from remediate.model.options import (
    RunLimits,
    RunOptions,
    chosen_issuer,
    issuer_kind,
    issuer_sections,
    written_options,
)
from remediate.notify.channels import read_channel, read_mail


def _read_issuers(configuration: Configuration) -> None:
    for issuer in subsections(configuration, "issuer").values():
        read_issuer(issuer)


def _read_channels(configuration: Configuration) -> None:
    for table in subsections(configuration, "notify").values():
        read_channel(table)


def _read_solvers(configuration: Configuration) -> None:
    for solver in subsections(configuration, "solver").values():
        read_solver(solver)


SECTIONS: Final[Mapping[str, Callable[[Configuration], object]]] = {
    "issuer": _read_issuers,
    "solver": _read_solvers,
    "remediate": written_options,
    "mail": lambda configuration: read_mail(section(configuration, "mail")),
    "notify": _read_channels,
}
"""The function that decodes a section, by its key."""


def require_valid_sections(configuration: Configuration) -> None:
    """Raise BadConfiguration for a wrong key or value, and for a file of a secret that other users can read."""
    for key in configuration.handed_on:
        if key not in SECTIONS:
            hint = nearest(key, SECTIONS) or f"; known are {', '.join(SECTIONS)}"
            raise BadConfiguration(f"{configuration.file}: unknown key {key!r}{hint}")
        SECTIONS[key](configuration)
    require_private_secrets(configuration)


def configured_issuer(options: RunOptions) -> ConfiguredIssuer:
    """Return the issuer that is chosen, or one that takes no order; raises BadConfiguration."""
    name = options.issuer_name
    if name is None:
        return ConfiguredIssuer(NoIssuer(), "no issuer")
    chosen = _issuer_section(options.configuration, name)
    config = read_issuer(chosen)
    try:
        client = config.open(chosen, IssuerRun(options.configuration.fetch.proxy, options.stop))
    except BadIssuer as error:
        raise chosen.bad(str(error)) from error
    return ConfiguredIssuer(client, name, config.key, config.product, config.lifetime, config.promised_lifetime)


def configured_solvers(configuration: Configuration) -> Mapping[str, Solver]:
    """Return the solver of each challenge type, as the sections `[solver.NAME]` say; raises BadConfiguration."""
    solvers = dict[str, Solver]()
    for section_ in subsections(configuration, "solver").values():
        config = read_solver(section_)
        if twice := next((kind for kind in config.types if kind in solvers), None):
            raise section_.bad(f"types: another section solves {twice!r} already")
        try:
            solver = config.open(section_)
        except BadSolver as error:
            raise section_.bad(str(error)) from error
        solvers |= dict.fromkeys(config.types, solver)
    return solvers


def run_limits(options: RunOptions) -> RunLimits:
    """Return how far the run may go with the chosen issuer; raises BadConfiguration."""
    chosen = options.issuers.get(options.issuer_name or "")
    if chosen is None:
        return options.run_limits
    config = read_issuer(chosen)
    return replace(
        options.run_limits,
        validates_by_file=config.validates_by_file,
        key_type=config.key,
        lifetime=config.ordered_lifetime,
        lifetime_policies=_lifetime_policies(options),
    )


def _lifetime_policies(options: RunOptions) -> tuple[Profile, ...]:
    """Return the policies that limit a lifetime whatever CA issues: those that are named, else that of public CAs."""
    return options.profiles or ((load_profile("webpki"),) if options.anchors.are_public else ())


def not_validated(configuration: Configuration, issuer: str | None) -> tuple[str, ...] | None:
    """Return the globs of names that no repair validates by HTTP at port 80; None for all names.

    The panel's own program validates the names of a panel by itself. Raises BadConfiguration.
    """
    name, written = chosen_issuer(configuration, issuer), written_options(configuration)
    chosen = _issuer_section(configuration, name) if name else None
    if chosen is None or written.http_port != HTTP_PORT or issuer_kind(configuration, name) == AGENT:
        return None
    return (*written.exclude_names, *written.drop_names) if read_issuer(chosen).validates_by_file else None


def _issuer_section(configuration: Configuration, name: str) -> ConfigSection:
    """Return the section of an issuer; raises BadConfiguration if it is missing."""
    sections = issuer_sections(configuration)
    if name not in sections:
        written = sorted(subsections(configuration, "issuer"))
        available = f"there are {', '.join(written)}{nearest(name, written)}" if written else "there is none"
        raise BadConfiguration(f"{configuration.file or 'configuration'}: no [issuer.{name}]; {available}")
    return sections[name]


def network_of(options: RunOptions) -> Network:
    """Return how a run uses the network, as `[fetch]`, `[probe]` and `[remediate]` allow; raises BadConfiguration."""
    written = options.configuration.fetch
    policy = FetchPolicy(allow_private=written.allow_private, proxy=written.proxy, limits=options.limits)
    lookups, fetcher = LookUps(Roots(root_hints(options))), Fetcher(policy, options.stop)
    return Network(lookups, fetcher, options.limits, options.written.http_port)


def resolution_of(options: RunOptions) -> Resolution:
    """Return how names are looked up for a plan; raises BadConfiguration."""
    return Resolution(LookUps(Roots(root_hints(options))), options.limits, options.stop)


def root_hints(options: RunOptions) -> tuple[RootServer, ...]:
    """Return the root servers that are configured, none for those of the Internet; raises BadConfiguration."""
    configuration = options.configuration
    if configuration.probe.root_hints is None:
        return ()
    file = configuration.path(configuration.probe.root_hints)
    try:
        return read_hints(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError, BadHints) as error:
        raise BadConfiguration(f"{configuration.file}: probe.root_hints: {error}") from error
