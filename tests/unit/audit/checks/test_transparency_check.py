"""`cert.sct-insufficient`: what browsers require of the SCTs that a client receives."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from audit.checks.test_certificate import test_logged_enough as check
from audit.observation import Handshake, Observation
from audit.x509.der import elements, encode_oid
from audit.x509.path.served_chain import read_chain
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.transparency.log_list import LogList
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, WEBPKI, chain, observed, served
from tests.support.verdicts import PASS, Row, fail, passing_note, require_verdict, unsure, verdicts
from tests.support.x509 import ocsp_responses as ocsp
from tests.support.x509.certificates import DAY, NOW, Draft
from tests.support.x509.ct_logs import (
    ARGON,
    EVERY,
    NESSIE,
    RSA_LOG,
    TILED,
    XENON,
    Log,
    as_extension,
    listed,
    log_list,
    logged,
    of_certificate,
)
from tests.support.x509.paths import Fields, tlv

FORGED = as_extension(listed(*(log.sct(of_certificate(b"")) for log in (ARGON, NESSIE))))
TWO, THREE = logged(GOOD, ARGON, NESSIE), logged(GOOD.lasting(181 * DAY), ARGON, NESSIE, TILED)
LONG_OF_TWO = logged(GOOD.lasting(181 * DAY), ARGON, NESSIE)
ONE_OPERATOR = logged(GOOD, ARGON, XENON)
EARLY = NOW - 20 * DAY  # when the SCTs are issued
OLD = log_list(ARGON, issued=EARLY - DAY)


def states(**logs: Log) -> LogList:
    """Return a list with these logs instead of those of the same name."""
    return log_list(*(logs.get(log.name, log) for log in EVERY))


def retired(log: Log, since: datetime) -> Log:
    return log.but(state="retired", since=since)


def facts(draft: Draft, logs: LogList | None, *handshakes: Handshake) -> dict[str, object]:
    """Return the facts of a certificate that is served in these handshakes, by default one without SCTs."""
    seen: Observation = observed(*(handshakes or (served(draft, INTERMEDIATE),)))
    return {"chain": chain(draft), "observation": seen, "policy": WEBPKI, "log_list": logs, "now": NOW}


def delivering(draft: Draft, *logs: Log, address: str = "192.0.2.7") -> Handshake:
    """Return a handshake with SCTs of these logs in the TLS extension."""
    scts = listed(*(log.sct(of_certificate(draft.der)) for log in logs))
    return replace(served(draft, INTERMEDIATE, address=address), sct_list=scts)


def unasked(draft: Draft) -> Handshake:
    return replace(served(draft, INTERMEDIATE), sct_list=None)


UNVERIFIED = "without a log list no signature was verified"


@verdicts({
    "no SCT, no list": (check, facts(GOOD, None), fail("SCTs of 0 logs; browsers require 2", UNVERIFIED)),
    "two logs, no list": (check, facts(TWO, None), PASS),
    "one log twice, no list": (check, facts(logged(GOOD, ARGON, ARGON), None), fail("of 1 log;", UNVERIFIED)),
    "two logs for 181 days, no list": (check, facts(LONG_OF_TWO, None), fail("of 2 logs; browsers require 3")),
    "forged, no list": (check, facts(replace(GOOD, extra=(FORGED,)), None), PASS),
    "forged": (
        check, facts(replace(GOOD, extra=(FORGED,)), log_list()),
        fail("valid SCTs of 0 logs; browsers require 2", "(argon) does not have the log's signature", "(nessie) does"),
    ),
    "dated in the future, no list": (
        check, facts(logged(GOOD, ARGON, NESSIE, at=NOW + DAY), None), fail("of 0 logs", "is dated in the future"),
    ),
    "dated in the future": (
        check, facts(logged(GOOD, ARGON, NESSIE, at=NOW + DAY), log_list()), fail("is dated in the future"),
    ),
    "two operators": (check, facts(TWO, log_list()), PASS),
    "tiled and RSA logs": (check, facts(logged(GOOD, TILED, RSA_LOG), log_list(*EVERY, RSA_LOG)), PASS),
    "three logs for 181 days": (check, facts(THREE, log_list()), PASS),
    "two logs for 181 days": (check, facts(LONG_OF_TWO, log_list()), fail("of 2 logs; browsers require 3")),
    "one operator": (check, facts(ONE_OPERATOR, log_list()), fail("one operator, Operator A; browsers require 2")),
    "one operator now, two then": (
        check, facts(ONE_OPERATOR, states(xenon=XENON.but(previous=(("Sold", EARLY + DAY),)))), PASS,
    ),
    "unknown log": (
        check, facts(TWO, log_list(ARGON)), fail("of 1 log;", "is of a log that the list does not have"),
    ),
    "unknown log, older list": (check, facts(TWO, OLD), unsure("run sslaudit update-ct-logs with a newer list")),
    "pending log": (check, facts(TWO, states(nessie=NESSIE.but(state="pending"))), fail("a log that is pending since")),
    "rejected log": (check, facts(TWO, states(nessie=NESSIE.but(state="rejected"))), fail("that is rejected since")),
    "read-only log": (check, facts(TWO, states(nessie=NESSIE.but(state="readonly"))), PASS),
    "log retired later": (check, facts(TWO, states(nessie=retired(NESSIE, EARLY + DAY))), PASS),
    "log retired before": (
        check, facts(TWO, states(nessie=retired(NESSIE, EARLY - DAY))), fail("a log that is retired since 2026-11-02"),
    ),
    "log retired after the audit": (
        check, facts(TWO, states(argon=retired(ARGON, NOW + DAY), nessie=retired(NESSIE, NOW + DAY))), PASS,
    ),
    "all logs retired later": (
        check, facts(TWO, states(argon=retired(ARGON, EARLY + DAY), nessie=retired(NESSIE, EARLY + DAY))),
        fail("none of its logs is accepted any more"),
    ),
    "in the handshake": (check, facts(GOOD, log_list(), delivering(GOOD, ARGON, NESSIE)), PASS),
    "in the handshake, 181 days": (
        check,
        facts(GOOD.lasting(181 * DAY), log_list(), delivering(GOOD.lasting(181 * DAY), ARGON, NESSIE)),
        PASS,
    ),
    "in the handshake, no list": (check, facts(GOOD, None, delivering(GOOD, ARGON, NESSIE)), PASS),
    "in the handshake, of another certificate": (
        check, facts(GOOD, log_list(), replace(delivering(TWO, ARGON, NESSIE), chain_der=(GOOD.der, INTERMEDIATE.der))),
        fail("the SCT of log", "in the TLS handshake (argon) does not have the log's signature"),
    ),
    "in the handshake, of a retired log": (
        check,
        facts(GOOD, states(nessie=retired(NESSIE, EARLY + DAY)), delivering(GOOD, ARGON, NESSIE)),
        fail("valid SCTs of 1 log;", "a log that is retired"),
    ),
    "one embedded, one in the handshake": (
        check, facts(logged(GOOD, ARGON), log_list(), delivering(logged(GOOD, ARGON), NESSIE)), PASS,
    ),
    "in the handshake of one address only": (
        check,
        facts(GOOD, log_list(), delivering(GOOD, ARGON, NESSIE), served(GOOD, INTERMEDIATE, address="192.0.2.8")),
        fail("valid SCTs of 0 logs"),
    ),
    "in the handshake, malformed": (
        check, facts(GOOD, None, replace(served(GOOD, INTERMEDIATE), sct_list=b"\0\5\0")),
        fail("the list of SCTs in the TLS handshake cannot be read"),
    ),
    "none embedded, not requested": (
        check, facts(GOOD, log_list(), unasked(GOOD)), unsure("the TLS handshake did not request SCTs"),
    ),
    "none embedded, staple of the host not read": (
        check, facts(GOOD, log_list(), replace(served(GOOD, INTERMEDIATE), ocsp_der=b"")),
        unsure("the stapled OCSP response, which may have more, could not be read on the host"),
    ),
    "two embedded, not requested": (check, facts(TWO, log_list(), unasked(TWO)), PASS),
})  # fmt: skip
def test_scts_are_judged_as_browsers_do(row: Row) -> None:
    require_verdict(row)


def test_pass_without_a_list_says_that_no_signature_was_verified() -> None:
    assert UNVERIFIED in passing_note(check, **facts(TWO, None))
    assert "[ct] log_list" in passing_note(check, **facts(TWO, None))


def test_pass_with_a_list_names_it() -> None:
    assert passing_note(check, **facts(TWO, log_list())).startswith("verified against the log list 71.4 of 2026-11-22")


def with_scts(fields: Fields) -> Fields:
    """Return the ResponseData with two SCTs in its only single response."""
    scts = listed(*(log.sct(of_certificate(ocsp.ASKED.der)) for log in (ARGON, NESSIE)))
    extension = tlv(0x30, encode_oid("1.3.6.1.4.1.11129.2.4.5"), tlv(4, tlv(4, scts)))
    (responses,) = elements(fields[2])
    (single,) = elements(responses.content)
    changed = tlv(0x30, single.content, tlv(0xA1, tlv(0x30, extension)))
    return [*fields[:2], tlv(0x30, changed), *fields[3:]]


def test_scts_in_the_stapled_response_count() -> None:
    sent = (ocsp.ASKED.der, ocsp.CA.der)
    known = read_chain(sent, TrustAnchors({"mozilla": [ocsp.ROOT.der]}), NOW)
    handshake = replace(served(), chain_der=sent)
    for staple, expected in ((ocsp.Answer(), fail("of 0 logs")), (ocsp.Answer(edits=(with_scts,)), PASS)):
        seen = observed(replace(handshake, ocsp_der=staple.der))
        given = {"chain": known, "observation": seen, "policy": WEBPKI, "log_list": log_list(), "now": NOW}
        require_verdict((check, given, expected))
