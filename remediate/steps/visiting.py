"""Who has come for the proof, by the access logs of the hosts it lies on: told beside a step, never a reason to stop.

It knows hosts, names and logs; what a line of one says is read elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from remediate.access_logs import look_for_visits, read_visits
from remediate.dcv import Challenge
from remediate.site import Site
from remediate.visitors import visitor_lines


def visits(site: Site, proofs: Sequence[Challenge], *, is_ordered: bool) -> tuple[str, ...]:
    """Return lines about who has asked for these proofs; nothing where no log is known, or the run is stopped."""
    hosts: dict[str, list[Challenge]] = {}
    for proof in proofs:
        hosts.setdefault(proof.premises.host, []).append(proof)
    if site.means.stop.wait(site.means.waits.look_s):  # servers answer first, and note it then
        return ()
    said = [(host, line) for host, mine in hosts.items() for line in _on_host(site, mine, is_ordered=is_ordered)]
    return tuple(f"{host}: {line}" if len(hosts) > 1 else line for host, line in said)


def _on_host(site: Site, proofs: Sequence[Challenge], *, is_ordered: bool) -> Iterator[str]:
    premises = proofs[0].premises
    file = site.means.validator.place(proofs[0]).rpartition("/")[2]
    logs = tuple(dict.fromkeys(log for one in proofs for log in site.means.logs(premises.host, one.name)))
    if not logs:
        return
    noted = read_visits(site.run(look_for_visits(premises, file, logs)), file)
    for visit in noted.visits:
        site.means.say(f"{premises.host} has noted for {file}: {visit}")
    yield from visitor_lines(noted, is_ordered=is_ordered)
