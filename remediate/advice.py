"""What to do now about whatever a repair came to: a sentence for a person for every word that names a cause.

A table and nothing else; it refuses to know hosts, letters and what was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DOWN: Final = "service.down"
"""After the way back a service did not come up again with its old files: a person has to act now."""
_AGAIN: Final = "the next run tries again by itself"

ADVICE: Final[Mapping[str, str]] = {
    # the proof for the CA
    "dcv.blocked": (
        "open TCP port 80 to the world on the address above (firewall, security group, the web server itself)"
    ),
    "dcv.forbidden": "allow /.well-known/pki-validation/ in the web server: a rule, a login or a firewall denies it",
    "dcv.missing": (
        "let the name be served from the folder its configuration names: another one answers, or /.well-"
        "known/ is rewritten"
    ),
    "dcv.altered": (
        "let /.well-known/pki-validation/ be served as the files are: an application, a cache or a proxy "
        "answers instead"
    ),
    "dcv.redirected": "do not redirect /.well-known/pki-validation/ on port 80: the CA follows no redirect",
    "dcv.wrong-host": (
        "let every A and AAAA record of the name lead to the host (take a stale AAAA out), or add the other "
        "host to the run"
    ),
    "dcv.broken": "look at what listens on port 80 of the address above: it does not speak HTTP",
    "dcv.no-docroot": "give the name a website on the host, or declare its folder: [[service]] docroot",
    "dcv.unseen": "run this where there is such a network too: nothing could be seen of the name's addresses from here",
    "dcv.*": "mend what the finding says: the CA would not get to see the proof that the name is yours",
    "dcv.http-unreachable": (
        "let plain HTTP on port 80 of every address of the host's name answer from the host itself, also below "
        "/.well-known/pki-validation/"
    ),
    "dcv.redirect-illegal": "do not redirect /.well-known/pki-validation/ on port 80: the CA follows no redirect",
    "dcv.firewall": (
        "admit TCP port 80 by the rule that is named above: at the least from the addresses above, better from "
        "everywhere, as CAs look from several networks"
    ),
    "case.changed": "nothing: the next audit judges what is served now",
    # names
    "dns.unresolvable": "give the name an address in its zone, or take it out of the service's configuration",
    "dns.nxdomain": "give the name an address in its zone, or take it out of the service's configuration",
    "dns.no-address": "give the name an A or AAAA record, or take it out of the service's configuration",
    "dns.servfail": "see why the zone's name servers answer with an error: the CA asks them too",
    "dns.lame": "let the zone's delegation name only servers that serve it, and give those an address",
    "dns.timeout": "see that the zone's name servers answer from everywhere, by UDP and TCP on port 53",
    "dns.loop": "break the loop of CNAMEs or delegations that is named above",
    "dns.too-long": "shorten the chain of CNAMEs or delegations that is named above: CAs give up on it too",
    "dns.tlsa": (
        "publish the record above, and leave the present ones until the new certificate is in use; the next run "
        "orders once caches have expired"
    ),
    "dns.tlsa-spreading": "nothing: the next run orders once the old TLSA records have left caches",
    "dns.tlsa-unanswered": (
        "let the zone's name servers and your resolver answer the question above (DNSSEC, TCP, a firewall)"
    ),
    "dns.*": (
        "mend the zone, or take the name out of the service's configuration; then it is repaired by the next run"
    ),
    "host.name-invalid": "give the host a fully qualified name of its own, in public DNS (hostnamectl set-hostname)",
    "dns.not-this-host": (
        "let the name lead to the host, or take the name out of the service's configuration; behind NAT say by which "
        "addresses the host is reached: [host]"
    ),
    # the issuer
    "issuer.pending-validation": (
        "see why the CA never found the proof (port 80 of every address); the next run orders anew"
    ),
    "issuer.pending-review": "ask the issuer about the order above: it never decided on it; the next run orders anew",
    "issuer.pending": "nothing: the issuer is still working; the next run asks about the same order",
    "issuer.issued": "nothing: the certificate is there, and the next run installs it",
    "issuer.rejected": "ask the issuer why it rejected the order, mend that, and let the next run order anew",
    "issuer.canceled": "find out who canceled the order; the next run places a new one",
    "issuer.revoked": "find out why the certificate was revoked before another is ordered for these names",
    "issuer.authentication": "put a token that is valid into the configuration: [issuer.NAME] token",
    "issuer.refused": "change what the issuer refuses, as it says above: asking again for the same gives the same",
    "issuer.unknown": "ask the issuer what became of the order above; the next run looks for it again",
    "issuer.conflict": (
        "look at the order at the issuer: it is another than what is asked for now, or past being changed"
    ),
    "issuer.busy": "nothing: the issuer asked for time and is asked again after it",
    "issuer.unreachable": (
        "nothing, if it is the first night; else see that this host gets through to the issuer (DNS, firewall, proxy)"
    ),
    "issuer.broken": "see that base_url is right; if so, tell the issuer what it answers",
    "issuer.answer": "tell the issuer what it sent: it is not what was ordered, and nothing of it was installed",
    "issuer.none": "choose an issuer: [remediate] issuer, and its section [issuer.NAME]",
    "issuer.panel-only": "choose another issuer for what is no service of a panel: --audit-issuer, [remediate] issuer",
    # the host
    "host.switched-off": "nothing, if it is meant to be so; else take away the file that is named above",
    "host.unprepared": (
        "put right what is missing above; or log in as root or with sudo, or name another folder: [host] folder"
    ),
    "host.untrusted-path": (
        "give the directory or program that is named above to root and take the right to write it from others, or move "
        "the file to a directory that only root can write"
    ),
    "host.command": "log in and mend what the command above says (rights, a full disk, a missing program)",
    "host.locked": "nothing, if the other run is at work; if it hangs, end it: the lock goes with its process",
    "host.unreachable": "see that the host can be logged into as it is configured",
    "key.request": "log in and see what openssl says on the host; no request could be made there",
    "modes.owner": "give the key to root, or to the user or group that the service runs as (chown, chgrp)",
    "modes.needed": (
        "give the service's user the right to read its key in another way (a group), and close it to all others"
    ),
    "ops.clock-skew": (
        "set the clock that is wrong (chronyc makestep, timedatectl); while two contradict, nothing is repaired"
    ),
    # the chain
    "fetch.no-key": "name the key in the service's configuration, or declare it: [[service]] key",
    "fetch.no-issuer": "get the intermediates from the CA that issued the certificate, or order a new certificate",
    "fetch.no-better": "order a new certificate before the CA that ends first does: no other path is known",
    "fetch.no-leaf": "mend the file by hand: it has to hold one certificate of the service and its chain",
    # the way back
    "rollback.done": "waive the finding, or leave the name or the host out: else the next run repairs it again",
    "rollback.nothing": "nothing: the files are as they were before the repair, or there never were others",
    "rollback.compromised": "order another certificate with a new key: the old key must not be used again",
    "rollback.changed": "see whose the files are now (another agent, a person) and put them right by hand",
    "rollback.failed": "see why the service does not answer with its old files; the new ones are in use again",
    # the agent that owns the certificate
    "owner.not-run": "run its renewal by hand, or let it be explained only: [remediate] foreign",
    "owner.unchanged": "mend what the agent says above and run its renewal by hand: it did not renew",
    # the services
    "svc.unreachable": "see that the address answers (service, firewall): nothing could be proven afterwards",
    "cert.not-yet-valid": "set the host's clock: by it a certificate that is good looks like one of the future",
    "install.went-back": (
        "nothing urgent: the old certificate is in use again; look why the run could not confirm in time"
    ),
    "install.rejected": (
        "fix on the host what made every address reject the certificate (its report says what), then run "
        "`python -m remediate rollback CASE`: the next run begins anew"
    ),
    "install.interrupted": "nothing: the host finishes, or takes it back, by itself; the next run looks which",
    "install.not-taken-up": (
        "mend the service's configuration as its own test says above: the old certificate is in use again"
    ),
    "proof.still-wrong": "look at the finding by hand: the new certificate is served, and did not mend it",
    "proof.rejected": (
        "fix on the host what made every address reject the new certificate, then run "
        "`python -m remediate rollback CASE`: until then the same version is not tried again"
    ),
    "proof.failed": (
        "look at what answers at the endpoint above: something else than the service that was reloaded (a "
        "proxy, an old process)"
    ),
    DOWN: (
        "start the service by hand now: its old files are in place again, and it did not come up with them; its own "
        "log says why"
    ),
    "service.not-reloaded": (
        "look at the service's own log: it ended when it was told to read its files, and was started again"
    ),
    "step.no-effect": "look at the host: what was done there did not last; something else may manage those files",
    "case.unknown": (
        "declare the service with its files, test and reload commands: [[service]]; it cannot be repaired as "
        "it was found"
    ),
    # the run
    "run.canary": (
        "mend what the first repair of the run failed at (it is told here too): nothing else is tried before"
    ),
    "run.failures": "mend what the other repairs of the run failed at: it stops after so many (max_failures)",
    "run.overlap": "nothing: the repair that was begun goes first; the next run looks what is left to do",
    "run.stopped": f"nothing: {_AGAIN}",
    "run.not-due": f"nothing: {_AGAIN} when it is due",
    "run.not-begun": "look at what ended the run before its repairs (its output says so)",
    "run.bug": "report it with the trace in the run's output; this certificate has to be seen to by hand until then",
    # the plan
    "plan.unfinished": "let the audit run to its end: what it would have found is not known",
    "plan.old-evidence": "audit again right before the repair; if a clock is wrong, set it",
    "plan.unloadable": "mend the service's configuration: with the fault above it would not load any certificate",
    "plan.elsewhere": "add the host at the address above to the run, or let the name lead to this one only",
    "plan.left-alone": "allow changes on the host that shares the name, or take the name off it",
    "plan.max-cases": "nothing: the next run goes on; raise [remediate] max_cases to do more in one night",
    "plan.waiting": f"mend what is said above; then {_AGAIN}",
    "plan.configure": "change the service's configuration as the reason says, test it and reload it",
    "plan.dns": "change the zone as the reason says",
    "plan.host": "change it on the host as the reason says",
    "plan.manual": "look at it yourself: nothing is known that mends it without you",
    "plan.unknown": "audit again; if it stays so, look at the endpoint by hand",
    "plan.switched-off": "repair it by hand, or switch repairs on for this host again",
    "plan.outside": "log into its host too (hosts = […]), or have its administrator repair it",
    "plan.foreign": 'see that the agent renews it, or let its renewal be run from here: foreign = "run-owner"',
    "plan.no-help": "look for another host or a proxy behind the same address: this one serves what is installed",
    "plan.note": "nothing has to be done",
    "plan.waived": "nothing has to be done before the waiver ends",
    "plan.well": "nothing has to be done",
}
"""What to do now, by cause; `family.*` stands for the ids of the audit's checks, which are causes too."""

_ELSE: Final = "look at the run's output and at `python -m remediate status`"


def advice(cause: str) -> str:
    """Return what to do now."""
    return ADVICE.get(cause) or ADVICE.get(f"{cause.partition('.')[0]}.*") or _ELSE


def has_advice(cause: str) -> bool:
    """Tell whether something is known to do about a cause."""
    return cause in ADVICE
