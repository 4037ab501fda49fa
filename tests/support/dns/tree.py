"""A tree of name servers for tests: a root, `test.`, and its delegations, some of them broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from audit.probe.dns.root_servers import RootServer
from audit.probe.dns.trace import Trace, TraceLimits, trace
from tests.support.dns.servers import Answering, Tree, authoritative, refusing, silent

ROOT: Final = "127.0.0.10"
TLD: Final = "127.0.0.11"
MAIN: Final = "127.0.0.12"
OTHER: Final = "127.0.0.13"
LAME: Final = "127.0.0.14"
SILENT: Final = "127.0.0.15"
DEAD: Final = "127.0.0.99"  # nothing listens there
HINTS: Final = (RootServer("a.root.test.", (ROOT,)),)

_SOA: Final = "@ SOA ns hostmaster 1 60 60 600 5\n"
ROOT_ZONE: Final = f"""$ORIGIN .
$TTL 60
@ SOA a.root.test. hostmaster.test. 1 60 60 600 5
@ NS a.root.test.
test. NS a.tld.test.
a.tld.test. A {TLD}
"""
TLD_ZONE: Final = f"""$ORIGIN test.
$TTL 60
{_SOA}@ NS a.tld
a.tld A {TLD}
example NS ns1.example
ns1.example A {MAIN}
other NS ns.other
ns.other A {OTHER}
glueless NS ns-of-glueless.example
halflame NS ns.lamehost
halflame NS ns1.example
ns.lamehost A {LAME}
lame NS ns.lamehost
halfdead NS ns.dead
halfdead NS ns1.example
ns.dead A {DEAD}
dead NS ns.dead
silent NS ns.silent
ns.silent A {SILENT}
noserver NS nowhere.example
itself NS ns.itself
cycle-a NS ns.cycle-b
cycle-b NS ns.cycle-a
"""
MAIN_ZONE: Final = f"""$ORIGIN example.test.
$TTL 60
{_SOA}@ NS ns1
ns1 A {MAIN}
host A 198.18.0.77
host A 198.18.0.7
host AAAA fd53::7
four A 198.18.0.7
six AAAA fd53::7
www CNAME host
cross CNAME host.other.test.
there-and-back CNAME back.other.test.
dangling CNAME nothere
self CNAME self
loop1 CNAME loop2
loop2 CNAME loop1
into-loop CNAME loop1
text TXT "no address"
ns-of-glueless A {OTHER}
\\042\\000odd\\.\\032name A 198.18.0.7
_acme.*.wild A 198.18.0.7
"""
SMALL_ZONE: Final = f"$TTL 60\n{_SOA}@ NS ns.other.test.\n@ A 198.18.0.8\nhost A 198.18.0.8\n"


def small_zone(name: str) -> str:
    """Return a zone with two names."""
    return f"$ORIGIN {name}\n{SMALL_ZONE}"


def servers_of_tree() -> dict[str, Answering]:
    """Return the servers by address; a test replaces those that it changes."""
    main = [MAIN_ZONE, small_zone("halflame.test."), small_zone("halfdead.test.")]
    other = small_zone("other.test.") + "back CNAME host.example.test.\n"
    return {
        ROOT: authoritative(ROOT_ZONE),
        TLD: authoritative(TLD_ZONE),
        MAIN: authoritative(*main),
        OTHER: authoritative(other, small_zone("glueless.test.")),
        LAME: refusing,
        SILENT: silent,
    }


def traced(tree: Tree, name: str, limits: TraceLimits | None = None) -> Trace:
    """Trace a name through a running tree."""
    return trace(name, hints=HINTS, limits=replace(limits or TraceLimits(timeout_s=10), port=tree.port))


def failed(found: Trace, kind: str, words: str = "") -> bool:
    """Return whether a trace failed in this way, and with these words."""
    return found.failure is not None and found.failure.kind == kind and words in found.failure.detail
