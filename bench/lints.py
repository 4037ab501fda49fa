"""The checks of certificates measured on certificates that a linter of others has judged.

    python -m bench.lints FILE

FILE is a tar archive with certificates in PEM and `expected.tsv`, a row for each certificate and lint of zlint that
applies to it: file, lint, result. `MAPPING` says which lint is about which of our rules. A row is to be a finding where
the result is `info`, `warn` or `error`; `fatal` says that the linter could not tell, and is left out. Prints of each
lint its rows, hits, misses, false positives, rows left out, and hits beyond what the library reads; then the totals,
why rows were left out, each fault, and how much the library alone reads.
Exits 1 where recall or false positives break their bounds.
"""

from __future__ import annotations

import sys
import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from audit.analysis.chains import forgeable
from audit.analysis.validity import validity_excess
from audit.policy import load_profile
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.lint import LintRule, day, is_of_ca, lint
from audit.x509.lint.extended_key_usage import CLIENT_AUTH_RULES, eku_faults, presents_names
from audit.x509.lint.names import NAME_RULES
from audit.x509.lint.profile import PROFILE_RULES
from audit.x509.lint.revocation_and_sct import BY_DAYS, REVOCATION, TRANSPARENCY
from audit.x509.loading import UnreadableField
from audit.x509.pem import certificates_in
from audit.x509.public_keys import weaknesses
from bench.library import figures, reads

RECALL_MIN: Final = 0.98
FALSE_POSITIVES_MAX: Final = 0.005  # of the rows that are to be no finding
FINDINGS: Final = ("info", "warn", "error")
LIMITS: Final = load_profile("webpki").thresholds
UNTOLD: Final = "the linter could not tell"

Reason = Callable[[Certificate], str | None]


def _never(certificate: Certificate) -> str | None:  # noqa: ARG001 - a Reason that leaves no row out
    return None


@dataclass(frozen=True, slots=True)
class Mapped:
    """A lint, how what our check says of the same thing begins, and why a row that it passes may not count."""

    lint: str
    check: str
    says: str | tuple[str, ...]
    leaves_out: Reason = _never


@dataclass(slots=True)
class Counts:
    """How many rows of a lint count, how many we hit, missed and hit for nothing, and how many were left out.

    `beyond` are the hits in certificates that the library alone does not read in full.
    """

    rows: int = 0
    hits: int = 0
    misses: int = 0
    false_positives: int = 0
    left_out: int = 0
    beyond: int = 0

    def count(self, *, expected: bool, fired: bool, is_read: bool) -> str | None:
        """Count a row; return what is wrong with it, if anything."""
        self.rows += 1
        self.beyond += expected and fired and not is_read
        self.hits += expected and fired
        self.misses += expected and not fired
        self.false_positives += fired and not expected
        return None if expected == fired else "miss" if expected else "false positive"

    def __str__(self) -> str:
        """Return a line of the table."""
        counts = (self.rows, self.hits, self.misses, self.false_positives, self.left_out, self.beyond)
        return "".join(f"{count:7}" for count in counts)


def superseded(since: datetime) -> Reason:
    """Leave out what breaks a shorter limit that was in force when it was issued: the lint knows nothing of it."""

    def reason(certificate: Certificate) -> str | None:
        breaks_it = certificate.has_readable("not_before", "lifetime") and validity_excess(certificate, LIMITS)
        is_later = breaks_it and certificate.not_before >= since
        return f"it breaks a shorter limit, of what is issued from {since:%Y-%m-%d} on" if is_later else None

    return reason


def other_table(certificate: Certificate) -> str | None:
    """Leave out what has two timestamps and is issued since Apple counts days: the lint still counts months."""
    reading = certificate.raw
    is_between = reading.not_before >= BY_DAYS and len(reading.log_ids) == 2
    return f"what is issued from {BY_DAYS:%Y-%m-%d} on is counted by days, not months" if is_between else None


def _algorithm(certificate: Certificate) -> str:
    return "sha1" if certificate.signature_digest == "sha1" else "other"


USAGE, SIGNATURE, KEY, VALIDITY = (
    "cert.eku-missing-serverauth",
    "cert.weak-signature",
    "key.weak",
    "cert.validity-too-long",
)
BOOKS: Final[dict[str, tuple[LintRule, ...]]] = {
    "cert.profile-br": PROFILE_RULES,
    "cert.internal-name": NAME_RULES,
    "cert.no-revocation-info": REVOCATION,
    "cert.sct-insufficient": TRANSPARENCY,
    "cert.eku-clientauth": CLIENT_AUTH_RULES,
}
OWN: Final[dict[str, Callable[[Certificate], tuple[str, ...]]]] = {
    "cert.san-missing": lambda certificate: () if presents_names(certificate) else ("san",),
    USAGE: lambda certificate: eku_faults(certificate, LIMITS),
    SIGNATURE: lambda certificate: forgeable(certificate, LIMITS) and (_algorithm(certificate),),
    KEY: lambda certificate: weaknesses(certificate.key, LIMITS),
    VALIDITY: lambda certificate: validity_excess(certificate, LIMITS),
}
MAPPING: Final = (
    Mapped("e_ext_san_missing", "cert.san-missing", "san"),
    Mapped("e_sub_cert_eku_missing", USAGE, "no extended key usage"),
    Mapped("e_sub_cert_eku_check", USAGE, "extended key usage"),
    Mapped("e_sub_cert_eku_server_auth_client_auth_missing", USAGE, "extended key usage"),
    Mapped("e_sub_cert_or_sub_ca_using_sha1", SIGNATURE, "sha1"),
    Mapped("e_signature_algorithm_not_supported", SIGNATURE, "other"),
    Mapped("e_rsa_mod_less_than_2048_bits", KEY, "RSA with"),
    Mapped("e_ec_improper_curves", KEY, ("the curve", "the key cannot be used")),
    Mapped("w_rsa_public_exponent_not_in_range", KEY, "the RSA exponent"),
    Mapped("e_tls_server_cert_valid_time_longer_than_398_days", VALIDITY, "valid for", superseded(day(2026, 3, 15))),
    Mapped("e_sub_cert_valid_time_longer_than_825_days", VALIDITY, "valid for", superseded(day(2020, 9, 1))),
    Mapped("e_sub_cert_valid_time_longer_than_39_months", VALIDITY, "valid for", superseded(day(2018, 3, 2))),
    Mapped("e_server_cert_valid_time_longer_than_200_days", VALIDITY, "valid for", superseded(day(2027, 3, 15))),
    Mapped("e_server_cert_valid_time_longer_than_100_days", VALIDITY, "valid for", superseded(day(2029, 3, 15))),
    Mapped("e_server_cert_valid_time_longer_than_47_days", VALIDITY, "valid for"),
    Mapped("e_subject_common_name_not_from_san", "cert.profile-br", "common-name"),
    Mapped("e_subject_common_name_not_exactly_from_san", "cert.profile-br", "common-name"),
    Mapped("e_serial_number_longer_than_20_octets", "cert.profile-br", "serial-octets"),
    Mapped("e_serial_number_not_positive", "cert.profile-br", "serial-positive"),
    Mapped("e_sub_cert_key_usage_cert_sign_bit_set", "cert.profile-br", "key-cert-sign"),
    Mapped("e_sub_cert_key_usage_crl_sign_bit_set", "cert.profile-br", "crl-sign"),
    Mapped("e_sub_cert_not_is_ca", "cert.profile-br", "ca"),
    Mapped("e_sub_cert_certificate_policies_missing", "cert.profile-br", "policies"),
    Mapped("e_sub_cert_aia_missing", "cert.profile-br", "access"),
    Mapped("e_ext_authority_key_identifier_no_key_identifier", "cert.profile-br", "authority-key"),
    Mapped("e_cert_contains_unique_identifier", "cert.profile-br", "unique-id"),
    Mapped("e_ext_cannot_be_empty_sequence", "cert.profile-br", "empty-sequence"),
    Mapped("e_ext_duplicate_extension", "cert.profile-br", "repeated"),
    Mapped("e_mp_rsassa-pss_parameters_encoding_in_signature_algorithm_correct", "cert.profile-br", "pss"),
    Mapped("e_dnsname_not_valid_tld", "cert.internal-name", "internal"),
    Mapped("e_dnsname_bad_character_in_label", "cert.internal-name", "character"),
    Mapped("e_ext_san_contains_reserved_ip", "cert.internal-name", "reserved-address"),
    Mapped("e_dnsname_contains_bare_iana_suffix", "cert.internal-name", "bare-suffix"),
    Mapped("e_arpa_domain_not_allowed", "cert.internal-name", "reverse-zone"),
    Mapped("e_missing_crl_distrib_point", "cert.no-revocation-info", "revocation"),
    Mapped("w_ct_sct_policy_count_unsatisfied", "cert.sct-insufficient", "logs", other_table),
    Mapped("e_client_auth_not_allowed", "cert.eku-clientauth", "clients"),
)


def said(certificate: Certificate) -> dict[str, tuple[str, ...]]:
    """Return by check what we say of a certificate: the id of each rule of a book that it breaks, or a clause."""
    as_leaf = not is_of_ca(certificate.raw)
    by_books = {
        check: tuple(violation.rule for violation in lint(certificate.der, rules, as_leaf=as_leaf).violations)
        for check, rules in BOOKS.items()
    }
    return by_books | {check: _told(judge, certificate) for check, judge in OWN.items()}


def _told(judge: Callable[[Certificate], tuple[str, ...]], certificate: Certificate) -> tuple[str, ...]:
    """Return what is said, nothing where it cannot be told."""
    try:
        return judge(certificate)
    except UnreadableField:
        return ()


def read_cases(file: Path) -> tuple[dict[str, Certificate], dict[tuple[str, str], str]]:
    """Return the certificates by file name, and the results by file name and lint."""
    certificates, expected = dict[str, Certificate](), dict[tuple[str, str], str]()
    with tarfile.open(file) as archive:
        for name, text in _texts(archive):
            if name == "expected.tsv":
                rows = (line.split("\t") for line in text.splitlines() if line)
                expected = {(row[0], row[1]): row[2] for row in rows}
            elif found := certificates_in(text):
                certificates[name] = read_certificate(found[0])
    return certificates, expected


def _texts(archive: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    for member in archive:
        if stream := archive.extractfile(member):
            yield Path(member.name).name, stream.read().decode("latin-1")


def main(file: Path) -> int:
    """Judge every certificate, print the table, and return the exit status."""
    certificates, expected = read_cases(file)
    tallies, reasons, faults = defaultdict[str, Counts](Counts), Counter[str](), list[str]()
    for name, certificate in certificates.items():
        ours, is_read = said(certificate), reads(certificate.der)
        for mapped in MAPPING:
            if (result := expected.get((name, mapped.lint))) is None:
                continue
            if reason := UNTOLD if result == "fatal" else result == "pass" and mapped.leaves_out(certificate):
                tallies[mapped.lint].left_out += 1
                reasons[f"{mapped.lint}: {reason}"] += 1
                continue
            fired = any(what.startswith(mapped.says) for what in ours[mapped.check])
            if fault := tallies[mapped.lint].count(expected=result in FINDINGS, fired=fired, is_read=is_read):
                faults.append(f"{fault}: {mapped.lint} {name}")
    status = report(tallies, reasons, faults)
    print(*figures(certificates.values()), sep="\n")
    return status


def report(tallies: dict[str, Counts], reasons: Counter[str], faults: list[str]) -> int:
    """Print what was counted; return 1 where a bound is broken."""
    print(f"{'':95}   rows   hits misses  false   left beyond")
    for mapped in MAPPING:
        print(f"{mapped.check:28}{mapped.lint:67}{tallies[mapped.lint]}")
    sums = (sum(getattr(one, name) for one in tallies.values()) for name in Counts.__slots__)
    total = Counts(*sums)
    print(f"{'all':95}{total}")
    recall = total.hits / max(1, total.hits + total.misses)
    false_share = total.false_positives / max(1, total.rows - total.hits - total.misses)
    print(f"recall {recall:.4f}, false positives {false_share:.4%} of the rows that are to be no finding")
    reached = (total.hits - total.beyond) / max(1, total.hits + total.misses)
    print(f"recall where all that the library alone does not read in full is given up: {reached:.4f}")
    for line in (*(f"left out {count}: {reason}" for reason, count in reasons.items()), *sorted(faults)):
        print(line)
    return int(recall < RECALL_MIN or false_share > FALSE_POSITIVES_MAX)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
