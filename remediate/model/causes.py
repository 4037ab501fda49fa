"""Every cause why a certificate is not repaired, with the next action.

A cause is a stable word: the journal, reports and notifications hold it, and code compares it. docs/causes.md lists
every cause.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

_AGAIN: Final = "the next run tries again"
_DCV_OTHER: Final = "fix the finding: the CA could not fetch the challenge file"
_DNS_OTHER: Final = "fix the zone, or remove the name from the service's configuration; then the next run repairs it"


class Cause(StrEnum):
    """Why a case is not repaired. `advice` is the next action; ids of the audit's checks are causes too."""

    advice: str

    def __new__(cls, value: str, advice: str = "") -> Self:
        """Return the member of a word, with its advice."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.advice = advice
        return member

    # the challenge
    DCV_BLOCKED = (
        "dcv.blocked",
        "open TCP port 80 of the address above to the whole internet (firewall, security group, the web server itself)",
    )
    DCV_FORBIDDEN = (
        "dcv.forbidden",
        "allow requests for /.well-known/pki-validation/ in the web server: a rule, a login or a firewall denies them",
    )
    DCV_MISSING = (
        "dcv.missing",
        "serve the name from its configured document root: another virtual host has it, or /.well-known/ is rewritten",
    )
    DCV_ALTERED = (
        "dcv.altered",
        "serve the files in /.well-known/pki-validation/ unchanged: an application, cache or proxy responds instead",
    )
    DCV_REDIRECTED = (
        "dcv.redirected",
        "do not redirect /.well-known/pki-validation/ on port 80: the CA follows no redirect",
    )
    DCV_WRONG_HOST = (
        "dcv.wrong-host",
        (
            "point every A and AAAA record of the name to the host (remove a stale AAAA record), or add the other "
            "host to the run"
        ),
    )
    DCV_BROKEN = "dcv.broken", "check which program listens on port 80 of the address above: it does not speak HTTP"
    DCV_NO_DOCROOT = (
        "dcv.no-docroot",
        "create a website for the name on the host, or declare its document root: [[service]] docroot",
    )
    DCV_UNSEEN = (
        "dcv.unseen",
        "run the audit from a network that reaches the addresses of the name: none of them can be reached from here",
    )
    DCV_OTHER = "dcv.other", _DCV_OTHER
    DCV_HTTP_UNREACHABLE = (
        "dcv.http-unreachable",
        (
            "make the host itself respond to plain HTTP on port 80 at every address of its name, also below "
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
            "allow TCP port 80 in the rule above, at least from the addresses above, better from everywhere: CAs "
            "connect from several networks"
        ),
    )
    DCV_STALE_TOKEN = "dcv.stale-token", _DCV_OTHER
    DCV_FIREWALL_NARROW = "dcv.firewall-narrow", _DCV_OTHER
    CASE_CHANGED = "case.changed", "nothing: the next audit evaluates what is served now"
    # names
    DNS_UNRESOLVABLE = (
        "dns.unresolvable",
        "add an address record for the name to its zone, or remove the name from the service's configuration",
    )
    DNS_NXDOMAIN = (
        "dns.nxdomain",
        "add an address record for the name to its zone, or remove the name from the service's configuration",
    )
    DNS_NO_ADDRESS = (
        "dns.no-address",
        "add an A or AAAA record for the name, or remove the name from the service's configuration",
    )
    DNS_SERVFAIL = "dns.servfail", "find out why the zone's name servers return an error: the CA queries them too"
    DNS_LAME = "dns.lame", "delegate the zone only to name servers that serve it, and give each of them an address"
    DNS_TIMEOUT = "dns.timeout", "make the zone's name servers respond from everywhere, by UDP and TCP on port 53"
    DNS_LOOP = "dns.loop", "remove the loop of CNAMEs or delegations shown above"
    DNS_TOO_LONG = "dns.too-long", "shorten the chain of CNAMEs or delegations shown above: CAs give up on it too"
    DNS_TLSA = (
        "dns.tlsa",
        (
            "publish the record above, and keep the present ones until the new certificate is in use; the next "
            "run orders once caches have expired"
        ),
    )
    DNS_TLSA_SPREADING = (
        "dns.tlsa-spreading",
        "nothing: the next run orders once the old TLSA records have expired in caches",
    )
    DNS_TLSA_UNANSWERED = (
        "dns.tlsa-unanswered",
        "make the zone's name servers and your resolver respond to the query above (DNSSEC, TCP, a firewall)",
    )
    DNS_OTHER = "dns.other", _DNS_OTHER
    HOST_NAME_INVALID = (
        "host.name-invalid",
        "give the host its own fully qualified name in public DNS (hostnamectl set-hostname)",
    )
    DNS_NOT_THIS_HOST = (
        "dns.not-this-host",
        (
            "point the name to the host, or remove it from the service's configuration; behind NAT, configure the "
            "public addresses in [host]"
        ),
    )
    # the issuer
    ISSUER_PENDING_VALIDATION = (
        "issuer.pending-validation",
        (
            "find out why the CA never found the challenge file (port 80 of every address); the next run places a "
            "new order"
        ),
    )
    ISSUER_PENDING_REVIEW = (
        "issuer.pending-review",
        "ask the issuer about the order above, which it never decided; the next run places a new order",
    )
    ISSUER_PENDING = "issuer.pending", "nothing: the issuer is still working; the next run checks the same order"
    ISSUER_ISSUED = "issuer.issued", "nothing: the certificate is issued, and the next run installs it"
    ISSUER_REJECTED = (
        "issuer.rejected",
        "ask the issuer why it rejected the order and fix that; the next run places a new order",
    )
    ISSUER_CANCELED = "issuer.canceled", "find out who canceled the order; the next run places a new one"
    ISSUER_REVOKED = (
        "issuer.revoked",
        "find out why the certificate was revoked before you order another one for these names",
    )
    ISSUER_AUTHENTICATION = "issuer.authentication", "configure a valid token: [issuer.NAME] token"
    ISSUER_REFUSED = (
        "issuer.refused",
        "change what the issuer refused (see above): the same order would be refused again",
    )
    ISSUER_UNKNOWN = (
        "issuer.unknown",
        "ask the issuer for the state of the order above; the next run looks for it again",
    )
    ISSUER_CONFLICT = (
        "issuer.conflict",
        "check the order at the issuer: it differs from the present one, or can no longer be changed",
    )
    ISSUER_BUSY = "issuer.busy", "nothing: the issuer is busy; the next run after its retry time tries again"
    ISSUER_UNREACHABLE = (
        "issuer.unreachable",
        "nothing, if it is the first night; else check that this host can connect to the issuer (DNS, firewall, proxy)",
    )
    ISSUER_BROKEN = (
        "issuer.broken",
        "check that base_url, or the program, is right; if it is, report the issuer's response to the issuer",
    )
    ISSUER_ANSWER = (
        "issuer.answer",
        "report to the issuer what it sent: it is not what was ordered, and nothing of it was installed",
    )
    SOLVER_NONE = (
        "solver.none",
        "add a solver of that challenge type: [solver.NAME] types; or let the issuer require another challenge",
    )
    SOLVER_FAILED = (
        "solver.failed",
        "fix what the program of the solver reports above: [solver.NAME] present",
    )
    SOLVER_NOT_VISIBLE = (
        "solver.not-visible",
        (
            "make the challenge visible at every server above: fix the program of [solver.NAME], or let it wait "
            "until the challenge is published"
        ),
    )
    ISSUER_NONE = "issuer.none", "choose an issuer: [remediate] issuer, and its section [issuer.NAME]"
    ISSUER_PANEL_ONLY = (
        "issuer.panel-only",
        "choose another issuer for services that are not the panel's: --audit-issuer, [remediate] issuer",
    )
    # the host
    HOST_SWITCHED_OFF = "host.switched-off", "nothing, if this is intended; else remove the file above"
    HOST_UNPREPARED = (
        "host.unprepared",
        "fix what is missing above; or log in as root or with sudo, or choose another directory: [host] folder",
    )
    HOST_LOGIN = (
        "host.login",
        "log in as root, or use --sudo with a login that may run /bin/sh as root; a collector is for audits only",
    )
    HOST_UNTRUSTED_PATH = (
        "host.untrusted-path",
        (
            "make root the owner of the directory or program above and deny others to write it, or move the file "
            "to a directory only root can write"
        ),
    )
    HOST_COMMAND = (
        "host.command",
        "log in and fix what the command above reports (permissions, a full disk, a missing program)",
    )
    HOST_LOCKED = (
        "host.locked",
        "nothing, if the other run is working; if it hangs, kill it: its process holds the lock",
    )
    HOST_UNREACHABLE = "host.unreachable", "check the login to the host as it is configured"
    KEY_REQUEST = "key.request", "log in and check what openssl reports on the host: it could not make a CSR"
    MODES_OWNER = (
        "modes.owner",
        "make root the owner of the key, or the user or group that the service runs as (chown, chgrp)",
    )
    MODES_NEEDED = (
        "modes.needed",
        "let the service's user read its key in another way (a group), and deny it to all others",
    )
    OPS_CLOCK_SKEW = (
        "ops.clock-skew",
        "set the clock that is wrong (chronyc makestep, timedatectl): nothing is repaired while two clocks differ",
    )
    OPS_STATE_UNUSABLE = (
        "ops.state-unusable",
        "free space on the disk of the state directory, make it writable, or move a damaged journal away",
    )
    # the chain
    FETCH_NO_KEY = "fetch.no-key", "name the key in the service's configuration, or declare it: [[service]] key"
    FETCH_NO_ISSUER = (
        "fetch.no-issuer",
        "get the intermediates from the CA that issued the certificate, or order a new certificate",
    )
    FETCH_NO_BETTER = (
        "fetch.no-better",
        "order a new certificate before the first CA of the chain expires: no other path is known",
    )
    FETCH_NO_LEAF = "fetch.no-leaf", "fix the file manually: it must hold one certificate of the service and its chain"
    # the rollback
    ROLLBACK_DONE = (
        "rollback.done",
        "nothing; to repair it again: sslaudit repair resume --now CASE; a new finding on it is repaired as well",
    )
    ROLLBACK_HELD = (
        "rollback.held",
        "nothing, if the old certificate is to stay; to repair it again: sslaudit repair resume --now CASE",
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
        "find out who changed the files since (another agent, a person), and correct them manually",
    )
    ROLLBACK_FAILED = (
        "rollback.failed",
        "find out why the service does not respond with its old files; the new ones are in use again",
    )
    # the agent that owns the certificate
    OWNER_NOT_RUN = (
        "owner.not-run",
        "run the agent's renewal manually, or only report its findings: [remediate] foreign",
    )
    OWNER_UNCHANGED = (
        "owner.unchanged",
        "fix what the agent reports above and run its renewal manually: it did not renew",
    )
    # the services
    SVC_UNREACHABLE = (
        "svc.unreachable",
        "make the address respond (service, firewall): otherwise a repair cannot be verified",
    )
    CERT_NOT_YET_VALID = (
        "cert.not-yet-valid",
        "set the host's clock: a valid certificate looks as if it were from the future",
    )
    INSTALL_WENT_BACK = (
        "install.went-back",
        "nothing urgent: the old certificate is in use again; find out why the run could not confirm in time",
    )
    INSTALL_REJECTED = (
        "install.rejected",
        (
            "fix on the host why every address rejected the certificate (see its report), then run `sslaudit repair "
            "rollback CASE` and `sslaudit repair resume --now CASE`"
        ),
    )
    INSTALL_INTERRUPTED = (
        "install.interrupted",
        "nothing: the host completes or reverts the change by itself, and the next run checks which",
    )
    INSTALL_NOT_TAKEN_UP = (
        "install.not-taken-up",
        "fix the service's configuration (see the output of its test above): the old certificate is in use again",
    )
    PROOF_STILL_WRONG = (
        "proof.still-wrong",
        "investigate this finding manually: the new certificate is served, but the check still fails",
    )
    PROOF_LOGGED = (
        "proof.logged",
        "fix what the service logged at its reload (see above), and reload it; the next run repairs the certificate",
    )
    PROOF_NOT_RELOADED = (
        "proof.not-reloaded",
        "find out why the service did not follow its reload (its log, a hanging first process), and restart it",
    )
    PROOF_OLD_WORKERS = (
        "proof.old-workers",
        "end the old workers of the service or restart it: they still run beside those that began with the reload",
    )
    PROOF_OTHER_FILE = (
        "proof.other-file",
        "find the file that the service loads (an include, another instance) or the proxy that responds in its place",
    )
    PROOF_REJECTED = (
        "proof.rejected",
        (
            "fix on the host why every address rejects the new certificate, then run `sslaudit repair rollback CASE` "
            "and `sslaudit repair resume --now CASE`"
        ),
    )
    PROOF_FAILED = (
        "proof.failed",
        (
            "check which program responds at the endpoint above: it is not the service that was reloaded (a proxy, "
            "an old process)"
        ),
    )
    SERVICE_DOWN = (
        "service.down",
        (
            "start the service manually now: its old files are in place again, but it did not start with them; "
            "see its log"
        ),
    )
    SERVICE_NOT_RELOADED = (
        "service.not-reloaded",
        "check the service's log: it ended when it was reloaded, and was started again",
    )
    STEP_NO_EFFECT = (
        "step.no-effect",
        "check the host: the change there did not last; another program may manage those files",
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
        "fix why the first repair of the run failed, which is listed here too: no other repair begins before",
    )
    RUN_FAILURES = (
        "run.failures",
        "fix why the other repairs of the run failed: it stops after that many (max_failures)",
    )
    RUN_OVERLAP = "run.overlap", "nothing: the repair that was begun goes first; the next run checks what is left to do"
    RUN_STOPPED = "run.stopped", f"nothing: {_AGAIN}"
    RUN_NOT_DUE = "run.not-due", f"nothing: {_AGAIN} when it is due"
    RUN_NOT_BEGUN = "run.not-begun", "check the output of the run: it shows what ended the run before its repairs"
    RUN_BUG = (
        "run.bug",
        "report this bug with the trace in the run's output; until it is fixed, renew this certificate manually",
    )
    RUN_NOT_RECORDED = (
        "run.not-recorded",
        "read the text above: it was written by a version of this program that recorded no cause",
    )
    # the plan
    PLAN_UNFINISHED = (
        "plan.unfinished",
        "run the audit again to its end: it did not finish, so its results are incomplete",
    )
    PLAN_OLD_EVIDENCE = "plan.old-evidence", "run the audit again right before the repair; if a clock is wrong, set it"
    PLAN_UNLOADABLE = (
        "plan.unloadable",
        "fix the service's configuration: with the fault above it would not load any certificate",
    )
    PLAN_ELSEWHERE = (
        "plan.elsewhere",
        "add the host at the address above to the run, or point the name to this host only",
    )
    PLAN_LEFT_ALONE = "plan.left-alone", "allow changes on the host that shares the name, or remove the name from it"
    PLAN_MAX_CASES = (
        "plan.max-cases",
        "nothing: the next run continues; raise [remediate] max_cases to repair more in one run",
    )
    PLAN_POST_QUANTUM = (
        "plan.post-quantum",
        (
            'decide which key the new certificate gets: choose an issuer with key = "ml-dsa-65", or allow a classical '
            "key with [remediate] replace_post_quantum_keys = true"
        ),
    )
    PLAN_LIFETIME = (
        "plan.lifetime",
        "order a product with a shorter lifetime: [issuer.NAME] product, and lifetime_days if its name has no days",
    )
    PLAN_WILDCARD = (
        "plan.wildcard",
        (
            "choose an issuer that validates by DNS: [issuer.NAME] and [solver.NAME]; or give the name up: [remediate] "
            "drop_names"
        ),
    )
    PLAN_NO_NAME = (
        "plan.no-name",
        "leave at least one name of the certificate out of [remediate] drop_names, or remove the service's TLS",
    )
    PLAN_KEY_ENCRYPTION = (
        "plan.key-encryption",
        (
            'decide whether the new key is encrypted: [remediate] key_encryption = "keep", with '
            'key_passphrase_on_host, or "drop"'
        ),
    )
    PLAN_KEY_PROMPT = (
        "plan.key-prompt",
        (
            "let a program or a file give the passphrase (SSLPassPhraseDialog exec:, ssl_password_file), or set "
            '[remediate] key_encryption = "drop"'
        ),
    )
    PLAN_CONFIGURE = "plan.configure", "change the service's configuration (see the reason), test it and reload it"
    PLAN_DNS = "plan.dns", "change the zone (see the reason)"
    PLAN_HOST = "plan.host", "change it on the host (see the reason)"
    PLAN_MANUAL = "plan.manual", "investigate this finding manually: no automatic repair is known"
    PLAN_UNKNOWN_SERVICE = (
        "plan.unknown-service",
        (
            "repair it where its files are: a container by --hosts podman://NAME or docker://NAME, a chroot inside it; "
            "or declare it in [[service]]"
        ),
    )
    PLAN_UNKNOWN = (
        "plan.unknown",
        "run the audit again; if the result stays the same, investigate the endpoint manually",
    )
    PLAN_SWITCHED_OFF = "plan.switched-off", "repair it manually, or allow repairs on this host again"
    PLAN_OUTSIDE = (
        "plan.outside",
        "add its host to the audit (hosts = […]), or ask the host's administrator to repair it",
    )
    PLAN_FOREIGN = "plan.foreign", 'check that the agent renews it, or run its renewal from here: foreign = "run-owner"'
    PLAN_NO_HELP = (
        "plan.no-help",
        "look for another host or a proxy behind the same address: this host serves the installed certificate",
    )
    PLAN_NOTE = "plan.note", "nothing"
    PLAN_WAIVED = "plan.waived", "nothing, until the waiver ends"
    PLAN_WELL = "plan.well", "nothing"

    @property
    def family(self) -> str:
        """The first part of the word, such as `issuer` or `dcv`."""
        return self.value.partition(".")[0]


_WORDS: Final = frozenset(cause.value for cause in Cause)
_OTHERS: Final = {"dcv": Cause.DCV_OTHER, "dns": Cause.DNS_OTHER}


def cause_of_check(check: str) -> Cause:
    """Return the cause that is the id of a check; for a user's own check the cause of its family."""
    return Cause(check) if check in _WORDS else _OTHERS[check.partition(".")[0]]


def recorded_cause(word: str) -> Cause:
    """Return the cause that a journal holds; an unknown word, of another version, counts as not recorded."""
    return Cause(word) if word in _WORDS else Cause.RUN_NOT_RECORDED
