"""Every cause that a repair can have for not being made, with what to do about it now.

A cause is a stable word: the journal, reports and notifications carry it, and code compares it. Sentences for people
are made from it at the end. docs/causes.md lists every cause.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

_AGAIN: Final = "the next run tries again by itself"
_DCV_OTHER: Final = "mend what the finding says: the CA would not get to see the proof that the name is yours"
_DNS_OTHER: Final = (
    "mend the zone, or take the name out of the service's configuration; then it is repaired by the next run"
)


class Cause(StrEnum):
    """Why a case is not repaired. `advice` is what to do now; ids of the audit's checks are causes too."""

    advice: str

    def __new__(cls, value: str, advice: str = "") -> Self:
        """Return the member for a word, with what to do now."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.advice = advice
        return member

    # the proof for the CA
    DCV_BLOCKED = (
        "dcv.blocked",
        "open TCP port 80 to the world on the address above (firewall, security group, the web server itself)",
    )
    DCV_FORBIDDEN = (
        "dcv.forbidden",
        "allow /.well-known/pki-validation/ in the web server: a rule, a login or a firewall denies it",
    )
    DCV_MISSING = (
        "dcv.missing",
        (
            "let the name be served from the folder its configuration names: another one answers, or /.well-"
            "known/ is rewritten"
        ),
    )
    DCV_ALTERED = (
        "dcv.altered",
        (
            "let /.well-known/pki-validation/ be served as the files are: an application, a cache or a proxy "
            "answers instead"
        ),
    )
    DCV_REDIRECTED = (
        "dcv.redirected",
        "do not redirect /.well-known/pki-validation/ on port 80: the CA follows no redirect",
    )
    DCV_WRONG_HOST = (
        "dcv.wrong-host",
        (
            "let every A and AAAA record of the name lead to the host (take a stale AAAA out), or add the other "
            "host to the run"
        ),
    )
    DCV_BROKEN = "dcv.broken", "look at what listens on port 80 of the address above: it does not speak HTTP"
    DCV_NO_DOCROOT = "dcv.no-docroot", "give the name a website on the host, or declare its folder: [[service]] docroot"
    DCV_UNSEEN = (
        "dcv.unseen",
        "run this where there is such a network too: nothing could be seen of the name's addresses from here",
    )
    DCV_OTHER = "dcv.other", _DCV_OTHER
    DCV_HTTP_UNREACHABLE = (
        "dcv.http-unreachable",
        (
            "let plain HTTP on port 80 of every address of the host's name answer from the host itself, also below "
            "/.well-known/pki-validation/"
        ),
    )
    DCV_REDIRECT_ILLEGAL = (
        "dcv.redirect-illegal",
        "do not redirect /.well-known/pki-validation/ on port 80: the CA follows no redirect",
    )
    DCV_FIREWALL = (
        "dcv.firewall",
        (
            "admit TCP port 80 by the rule that is named above: at the least from the addresses above, better from "
            "everywhere, as CAs look from several networks"
        ),
    )
    DCV_STALE_TOKEN = "dcv.stale-token", _DCV_OTHER
    DCV_FIREWALL_NARROW = "dcv.firewall-narrow", _DCV_OTHER
    CASE_CHANGED = "case.changed", "nothing: the next audit judges what is served now"
    # names
    DNS_UNRESOLVABLE = (
        "dns.unresolvable",
        "give the name an address in its zone, or take it out of the service's configuration",
    )
    DNS_NXDOMAIN = "dns.nxdomain", "give the name an address in its zone, or take it out of the service's configuration"
    DNS_NO_ADDRESS = (
        "dns.no-address",
        "give the name an A or AAAA record, or take it out of the service's configuration",
    )
    DNS_SERVFAIL = "dns.servfail", "see why the zone's name servers answer with an error: the CA asks them too"
    DNS_LAME = "dns.lame", "let the zone's delegation name only servers that serve it, and give those an address"
    DNS_TIMEOUT = "dns.timeout", "see that the zone's name servers answer from everywhere, by UDP and TCP on port 53"
    DNS_LOOP = "dns.loop", "break the loop of CNAMEs or delegations that is named above"
    DNS_TOO_LONG = (
        "dns.too-long",
        "shorten the chain of CNAMEs or delegations that is named above: CAs give up on it too",
    )
    DNS_TLSA = (
        "dns.tlsa",
        (
            "publish the record above, and leave the present ones until the new certificate is in use; the next run "
            "orders once caches have expired"
        ),
    )
    DNS_TLSA_SPREADING = "dns.tlsa-spreading", "nothing: the next run orders once the old TLSA records have left caches"
    DNS_TLSA_UNANSWERED = (
        "dns.tlsa-unanswered",
        "let the zone's name servers and your resolver answer the question above (DNSSEC, TCP, a firewall)",
    )
    DNS_OTHER = "dns.other", _DNS_OTHER
    HOST_NAME_INVALID = (
        "host.name-invalid",
        "give the host a fully qualified name of its own, in public DNS (hostnamectl set-hostname)",
    )
    DNS_NOT_THIS_HOST = (
        "dns.not-this-host",
        (
            "let the name lead to the host, or take the name out of the service's configuration; behind NAT say by "
            "which addresses the host is reached: [host]"
        ),
    )
    # the issuer
    ISSUER_PENDING_VALIDATION = (
        "issuer.pending-validation",
        "see why the CA never found the proof (port 80 of every address); the next run orders anew",
    )
    ISSUER_PENDING_REVIEW = (
        "issuer.pending-review",
        "ask the issuer about the order above: it never decided on it; the next run orders anew",
    )
    ISSUER_PENDING = "issuer.pending", "nothing: the issuer is still working; the next run asks about the same order"
    ISSUER_ISSUED = "issuer.issued", "nothing: the certificate is there, and the next run installs it"
    ISSUER_REJECTED = (
        "issuer.rejected",
        "ask the issuer why it rejected the order, mend that, and let the next run order anew",
    )
    ISSUER_CANCELED = "issuer.canceled", "find out who canceled the order; the next run places a new one"
    ISSUER_REVOKED = (
        "issuer.revoked",
        "find out why the certificate was revoked before another is ordered for these names",
    )
    ISSUER_AUTHENTICATION = (
        "issuer.authentication",
        "put a token that is valid into the configuration: [issuer.NAME] token",
    )
    ISSUER_REFUSED = (
        "issuer.refused",
        "change what the issuer refuses, as it says above: asking again for the same gives the same",
    )
    ISSUER_UNKNOWN = "issuer.unknown", "ask the issuer what became of the order above; the next run looks for it again"
    ISSUER_CONFLICT = (
        "issuer.conflict",
        "look at the order at the issuer: it is another than what is asked for now, or past being changed",
    )
    ISSUER_BUSY = "issuer.busy", "nothing: the issuer asked for time and is asked again after it"
    ISSUER_UNREACHABLE = (
        "issuer.unreachable",
        "nothing, if it is the first night; else see that this host gets through to the issuer (DNS, firewall, proxy)",
    )
    ISSUER_BROKEN = "issuer.broken", "see that base_url is right; if so, tell the issuer what it answers"
    ISSUER_ANSWER = (
        "issuer.answer",
        "tell the issuer what it sent: it is not what was ordered, and nothing of it was installed",
    )
    ISSUER_NONE = "issuer.none", "choose an issuer: [remediate] issuer, and its section [issuer.NAME]"
    ISSUER_PANEL_ONLY = (
        "issuer.panel-only",
        "choose another issuer for what is no service of a panel: --audit-issuer, [remediate] issuer",
    )
    # the host
    HOST_SWITCHED_OFF = (
        "host.switched-off",
        "nothing, if it is meant to be so; else take away the file that is named above",
    )
    HOST_UNPREPARED = (
        "host.unprepared",
        "put right what is missing above; or log in as root or with sudo, or name another folder: [host] folder",
    )
    HOST_UNTRUSTED_PATH = (
        "host.untrusted-path",
        (
            "give the directory or program that is named above to root and take the right to write it from others, or "
            "move the file to a directory that only root can write"
        ),
    )
    HOST_COMMAND = (
        "host.command",
        "log in and mend what the command above says (rights, a full disk, a missing program)",
    )
    HOST_LOCKED = (
        "host.locked",
        "nothing, if the other run is at work; if it hangs, end it: the lock goes with its process",
    )
    HOST_UNREACHABLE = "host.unreachable", "see that the host can be logged into as it is configured"
    KEY_REQUEST = "key.request", "log in and see what openssl says on the host; no request could be made there"
    MODES_OWNER = "modes.owner", "give the key to root, or to the user or group that the service runs as (chown, chgrp)"
    MODES_NEEDED = (
        "modes.needed",
        "give the service's user the right to read its key in another way (a group), and close it to all others",
    )
    OPS_CLOCK_SKEW = (
        "ops.clock-skew",
        "set the clock that is wrong (chronyc makestep, timedatectl); while two contradict, nothing is repaired",
    )
    # the chain
    FETCH_NO_KEY = "fetch.no-key", "name the key in the service's configuration, or declare it: [[service]] key"
    FETCH_NO_ISSUER = (
        "fetch.no-issuer",
        "get the intermediates from the CA that issued the certificate, or order a new certificate",
    )
    FETCH_NO_BETTER = (
        "fetch.no-better",
        "order a new certificate before the CA that ends first does: no other path is known",
    )
    FETCH_NO_LEAF = (
        "fetch.no-leaf",
        "mend the file by hand: it has to hold one certificate of the service and its chain",
    )
    # the way back
    ROLLBACK_DONE = (
        "rollback.done",
        "waive the finding, or leave the name or the host out: else the next run repairs it again",
    )
    ROLLBACK_NOTHING = (
        "rollback.nothing",
        "nothing: the files are as they were before the repair, or there never were others",
    )
    ROLLBACK_COMPROMISED = (
        "rollback.compromised",
        "order another certificate with a new key: the old key must not be used again",
    )
    ROLLBACK_CHANGED = (
        "rollback.changed",
        "see whose the files are now (another agent, a person) and put them right by hand",
    )
    ROLLBACK_FAILED = (
        "rollback.failed",
        "see why the service does not answer with its old files; the new ones are in use again",
    )
    # the agent that owns the certificate
    OWNER_NOT_RUN = "owner.not-run", "run its renewal by hand, or let it be explained only: [remediate] foreign"
    OWNER_UNCHANGED = "owner.unchanged", "mend what the agent says above and run its renewal by hand: it did not renew"
    # the services
    SVC_UNREACHABLE = (
        "svc.unreachable",
        "see that the address answers (service, firewall): nothing could be proven afterwards",
    )
    CERT_NOT_YET_VALID = (
        "cert.not-yet-valid",
        "set the host's clock: by it a certificate that is good looks like one of the future",
    )
    INSTALL_WENT_BACK = (
        "install.went-back",
        "nothing urgent: the old certificate is in use again; look why the run could not confirm in time",
    )
    INSTALL_REJECTED = (
        "install.rejected",
        (
            "fix on the host what made every address reject the certificate (its report says what), then run "
            "`python -m remediate rollback CASE`: the next run begins anew"
        ),
    )
    INSTALL_INTERRUPTED = (
        "install.interrupted",
        "nothing: the host finishes, or takes it back, by itself; the next run looks which",
    )
    INSTALL_NOT_TAKEN_UP = (
        "install.not-taken-up",
        "mend the service's configuration as its own test says above: the old certificate is in use again",
    )
    PROOF_STILL_WRONG = (
        "proof.still-wrong",
        "look at the finding by hand: the new certificate is served, and did not mend it",
    )
    PROOF_REJECTED = (
        "proof.rejected",
        (
            "fix on the host what made every address reject the new certificate, then run "
            "`python -m remediate rollback CASE`: until then the same version is not tried again"
        ),
    )
    PROOF_FAILED = (
        "proof.failed",
        (
            "look at what answers at the endpoint above: something else than the service that was reloaded (a "
            "proxy, an old process)"
        ),
    )
    SERVICE_DOWN = (
        "service.down",
        (
            "start the service by hand now: its old files are in place again, and it did not come up with them; its "
            "own log says why"
        ),
    )
    SERVICE_NOT_RELOADED = (
        "service.not-reloaded",
        "look at the service's own log: it ended when it was told to read its files, and was started again",
    )
    STEP_NO_EFFECT = (
        "step.no-effect",
        "look at the host: what was done there did not last; something else may manage those files",
    )
    CASE_UNKNOWN = (
        "case.unknown",
        (
            "declare the service with its files, test and reload commands: [[service]]; it cannot be repaired as "
            "it was found"
        ),
    )
    # the run
    RUN_CANARY = (
        "run.canary",
        "mend what the first repair of the run failed at (it is told here too): nothing else is tried before",
    )
    RUN_FAILURES = (
        "run.failures",
        "mend what the other repairs of the run failed at: it stops after so many (max_failures)",
    )
    RUN_OVERLAP = "run.overlap", "nothing: the repair that was begun goes first; the next run looks what is left to do"
    RUN_STOPPED = "run.stopped", f"nothing: {_AGAIN}"
    RUN_NOT_DUE = "run.not-due", f"nothing: {_AGAIN} when it is due"
    RUN_NOT_BEGUN = "run.not-begun", "look at what ended the run before its repairs (its output says so)"
    RUN_BUG = (
        "run.bug",
        "report it with the trace in the run's output; this certificate has to be seen to by hand until then",
    )
    RUN_NOT_RECORDED = (
        "run.not-recorded",
        "read what is told above: the version of this program that wrote it kept no cause that is known now",
    )
    # the plan
    PLAN_UNFINISHED = "plan.unfinished", "let the audit run to its end: what it would have found is not known"
    PLAN_OLD_EVIDENCE = "plan.old-evidence", "audit again right before the repair; if a clock is wrong, set it"
    PLAN_UNLOADABLE = (
        "plan.unloadable",
        "mend the service's configuration: with the fault above it would not load any certificate",
    )
    PLAN_ELSEWHERE = (
        "plan.elsewhere",
        "add the host at the address above to the run, or let the name lead to this one only",
    )
    PLAN_LEFT_ALONE = "plan.left-alone", "allow changes on the host that shares the name, or take the name off it"
    PLAN_MAX_CASES = (
        "plan.max-cases",
        "nothing: the next run goes on; raise [remediate] max_cases to do more in one night",
    )
    PLAN_CONFIGURE = "plan.configure", "change the service's configuration as the reason says, test it and reload it"
    PLAN_DNS = "plan.dns", "change the zone as the reason says"
    PLAN_HOST = "plan.host", "change it on the host as the reason says"
    PLAN_MANUAL = "plan.manual", "look at it yourself: nothing is known that mends it without you"
    PLAN_UNKNOWN = "plan.unknown", "audit again; if it stays so, look at the endpoint by hand"
    PLAN_SWITCHED_OFF = "plan.switched-off", "repair it by hand, or switch repairs on for this host again"
    PLAN_OUTSIDE = "plan.outside", "log into its host too (hosts = […]), or have its administrator repair it"
    PLAN_FOREIGN = (
        "plan.foreign",
        'see that the agent renews it, or let its renewal be run from here: foreign = "run-owner"',
    )
    PLAN_NO_HELP = (
        "plan.no-help",
        "look for another host or a proxy behind the same address: this one serves what is installed",
    )
    PLAN_NOTE = "plan.note", "nothing has to be done"
    PLAN_WAIVED = "plan.waived", "nothing has to be done before the waiver ends"
    PLAN_WELL = "plan.well", "nothing has to be done"

    @property
    def family(self) -> str:
        """The first part of the word, such as `issuer` or `dcv`."""
        return self.value.partition(".")[0]


_WORDS: Final = frozenset(cause.value for cause in Cause)
_OTHERS: Final = {"dcv": Cause.DCV_OTHER, "dns": Cause.DNS_OTHER}


def cause_of_check(check: str) -> Cause:
    """Return the cause that is the finding of a check; for a check of the user's own that of its family."""
    return Cause(check) if check in _WORDS else _OTHERS[check.partition(".")[0]]


def recorded_cause(word: str) -> Cause:
    """Return the cause that a journal names; the word of another version is read as one that was not recorded."""
    return Cause(word) if word in _WORDS else Cause.RUN_NOT_RECORDED
