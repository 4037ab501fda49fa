"""Measures the checks of certificates on certificates with known results of the linter zlint.

    python -m bench.lints FILE

FILE is a tar archive with certificates in PEM and `expected.tsv`, which has a row for each certificate and each lint
that applies to it: file, lint, result. `MAPPING` maps lints to checks. A row should be a finding if the result is
`info`, `warn` or `error`. A row with `fatal` is left out, because the linter could not decide. Prints for each lint its
rows, hits, misses, false positives, rows left out, and hits that the library cannot reach; then the totals, why rows
were left out, each difference, and how much the library alone reads. Exits with status 1 if recall or false positives
exceed their limits.
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
from audit.x509.lint import LintRule, day, is_of_ca, lint, read_raw
from audit.x509.lint.extended_key_usage import CLIENT_AUTH_RULES, eku_faults, presents_names
from audit.x509.lint.names import NAME_RULES
from audit.x509.lint.profile import PROFILE_RULES
from audit.x509.lint.revocation import REVOCATION
from audit.x509.loading import UnreadableField
from audit.x509.pem import certificates_in
from audit.x509.public_keys import weaknesses
from audit.x509.transparency.requirements import BY_DAYS, embedded_required
from audit.x509.transparency.sct import SctOrigin, read_scts
from bench.library import figures, reads

RECALL_MIN: Final = 0.98
FALSE_POSITIVES_MAX: Final = 0.005  # of the rows that should not be a finding
FINDINGS: Final = ("info", "warn", "error")
LIMITS: Final = load_profile("webpki").thresholds
UNDECIDED: Final = "the linter could not decide"
ANOTHER: Final = "another lint of the same rule hits"
OF_CAS: Final = "the rule does not bind certificates of CAs"

Reason = Callable[[Certificate], str | None]


def _never(certificate: Certificate) -> str | None:  # noqa: ARG001 - a Reason that leaves out no row
    return None


@dataclass(frozen=True, slots=True)
class Mapped:
    """A lint, its check, and why a row that the lint passes may not count.

    `prefix`: the ids of the rules of the check, or how its messages begin if it has no rules.
    """

    lint: str
    check: str
    prefix: str | tuple[str, ...]
    leaves_out: Reason = _never

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The ids, or the beginnings of messages."""
        return (self.prefix,) if isinstance(self.prefix, str) else self.prefix

    def fires(self, found: tuple[str, ...]) -> bool:
        """Return whether what the check found is what the lint is about."""
        if self.check in BOOKS:
            return not set(self.prefixes).isdisjoint(found)
        return any(text.startswith(self.prefixes) for text in found)

    @property
    def is_of_leaves(self) -> bool:
        """Whether all its rules bind only certificates of servers."""
        rules = [rule for rule in BOOKS.get(self.check, ()) if rule.id in self.prefixes]
        return bool(rules) and all(rule.of == "server" for rule in rules)


@dataclass(slots=True)
class Counts:
    """The counts of a lint: rows, hits, misses, false positives, and rows left out.

    `beyond` are the hits in certificates that the library alone does not read completely.
    """

    rows: int = 0
    hits: int = 0
    misses: int = 0
    false_positives: int = 0
    left_out: int = 0
    beyond: int = 0

    def count(self, *, expected: bool, fired: bool, is_read: bool) -> str | None:
        """Count a row; return the kind of difference, if any."""
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
    """Return a reason for certificates that exceed a shorter limit, which the lint does not have."""

    def reason(certificate: Certificate) -> str | None:
        exceeds = certificate.has_readable("not_before", "lifetime") and validity_excess(certificate, LIMITS)
        is_later = exceeds and certificate.not_before >= since
        return f"it exceeds a shorter limit, which applies from {since:%Y-%m-%d} on" if is_later else None

    return reason


def other_table(certificate: Certificate) -> str | None:
    """Return why a certificate with two SCTs is left out: Apple counts days now, and the lint counts months."""
    reading = certificate.raw
    is_between = reading.not_before >= BY_DAYS and _logs(certificate) == 2
    return f"days count, not months, from {BY_DAYS:%Y-%m-%d} on" if is_between else None


def _logs(certificate: Certificate) -> int:
    """Return of how many logs SCTs are embedded."""
    octets = read_raw(certificate, lambda raw: raw.sct_list)
    return len({sct.log_id for sct in read_scts(octets, SctOrigin.CERTIFICATE).scts})


def _few_scts(certificate: Certificate) -> tuple[str, ...]:
    required = read_raw(certificate, embedded_required)
    return () if required is None or _logs(certificate) >= required else ("logs",)


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
    "cert.eku-clientauth": CLIENT_AUTH_RULES,
}
OWN: Final[dict[str, Callable[[Certificate], tuple[str, ...]]]] = {
    "cert.sct-insufficient": _few_scts,
    "cert.san-missing": lambda certificate: () if presents_names(certificate) else ("san",),
    USAGE: lambda certificate: eku_faults(certificate, LIMITS),
    SIGNATURE: lambda certificate: forgeable(certificate, LIMITS) and (_algorithm(certificate),),
    KEY: lambda certificate: weaknesses(certificate.key, LIMITS),
    VALIDITY: lambda certificate: validity_excess(certificate, LIMITS),
}
SIGNING: Final = ("key-cert-sign", "crl-sign")
MAPPING: Final = (
    Mapped("e_ext_san_missing", "cert.san-missing", "san"),
    Mapped("e_sub_cert_eku_missing", USAGE, "there is no extended key usage"),
    Mapped("e_sub_cert_eku_check", USAGE, "the extended key usage"),
    Mapped("e_sub_cert_eku_server_auth_client_auth_missing", USAGE, "the extended key usage"),
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
    Mapped("e_subject_common_name_not_from_san", "cert.profile-br", ("common-name", "common-name-copy")),
    Mapped("e_subject_common_name_not_exactly_from_san", "cert.profile-br", ("common-name", "common-name-copy")),
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
    Mapped("e_sub_cert_cert_policy_empty", "cert.profile-br", "policies"),
    Mapped("e_sub_cert_aia_does_not_contain_ocsp_url", "cert.profile-br", ("ocsp-url", "access")),
    Mapped("e_incorrect_ku_encoding", "cert.profile-br", "usage-encoding"),
    Mapped("e_tbs_signature_rsa_encryption_parameter_not_null", "cert.profile-br", "algorithm-null"),
    Mapped("e_issuer_field_empty", "cert.profile-br", "issuer-name"),
    Mapped("e_rsa_allowed_ku_ee", "cert.profile-br", ("usage-of-rsa", *SIGNING)),
    Mapped("e_sub_cert_country_name_must_appear", "cert.profile-br", "country"),
    Mapped("e_sub_cert_locality_name_must_appear", "cert.profile-br", "place"),
    Mapped("e_sub_cert_province_must_appear", "cert.profile-br", "place"),
    Mapped("e_subject_empty_without_san", "cert.profile-br", "subject-name"),
    Mapped("e_sub_cert_crl_distribution_points_does_not_contain_url", "cert.profile-br", "crl-url"),
    Mapped("e_sub_ca_crl_distribution_points_does_not_contain_url", "cert.profile-br", "crl-url"),
    Mapped("e_ext_name_constraints_not_in_ca", "cert.profile-br", "constraints-of-leaf"),
    Mapped("e_ext_name_constraints_not_critical", "cert.profile-br", "constraints-critical"),
    Mapped("e_inhibit_any_policy_not_critical", "cert.profile-br", "inhibit-critical"),
    Mapped("e_key_usage_and_extended_key_usage_inconsistent", "cert.profile-br", ("usage-purpose", *SIGNING)),
    Mapped("e_ext_key_usage_cert_sign_without_ca", "cert.profile-br", "key-cert-sign"),
    Mapped("e_sub_cert_given_name_surname_contains_correct_policy", "cert.profile-br", "person-policy"),
    Mapped("e_ext_aia_marked_critical", "cert.profile-br", "access-critical"),
    Mapped("e_sub_cert_aia_marked_critical", "cert.profile-br", "access-critical"),
    Mapped("e_sub_ca_aia_marked_critical", "cert.profile-br", "access-critical"),
    Mapped("e_invalid_subject_rdn_order", "cert.profile-br", "attribute-order"),
    Mapped("e_cab_dv_subject_invalid_values", "cert.profile-br", "domain-alone"),
    Mapped("e_ext_san_dns_not_ia5_string", "cert.profile-br", "name-ia5"),
    Mapped("e_ext_san_uniform_resource_identifier_present", "cert.profile-br", "name-kind"),
    Mapped("e_ext_san_rfc822_name_present", "cert.profile-br", "name-kind"),
    Mapped("e_ext_san_directory_name_present", "cert.profile-br", "name-kind"),
    Mapped("e_ext_san_uri_format_invalid", "cert.profile-br", "uri-form"),
    Mapped("e_ext_san_uri_relative", "cert.profile-br", "uri-form"),
    Mapped("e_ext_ian_uri_format_invalid", "cert.profile-br", "uri-form"),
    Mapped("e_ext_ian_uri_relative", "cert.profile-br", "uri-form"),
    Mapped("e_ext_san_uri_host_not_fqdn_or_ip", "cert.profile-br", ("uri-host", "uri-form")),
    Mapped("e_ext_ian_uri_host_not_fqdn_or_ip", "cert.profile-br", ("uri-host", "uri-form")),
    Mapped("e_subject_contains_noninformational_value", "cert.profile-br", "says-nothing"),
    Mapped("e_state_or_province_name_must_not_contain_control_characters", "cert.profile-br", "place-form"),
    Mapped("e_subject_dn_not_printable_characters", "cert.profile-br", ("control", "attribute-encoding")),
    Mapped("e_ext_san_empty_name", "cert.profile-br", "name-empty"),
    Mapped("e_ext_san_not_critical_without_subject", "cert.profile-br", "name-critical"),
    Mapped("e_duplicate_subject_attribs", "cert.profile-br", "attribute-repeated"),
    Mapped("e_ext_cert_policy_duplicate", "cert.profile-br", "policy-repeated"),
    Mapped("e_subj_country_not_uppercase", "cert.profile-br", "country-code"),
    Mapped("e_subject_country_not_iso", "cert.profile-br", "country-code"),
    Mapped("e_organizational_unit_name_prohibited", "cert.profile-br", "unit"),
    Mapped("e_subject_rdns_correct_encoding", "cert.profile-br", "attribute-encoding"),
    Mapped("e_subject_printable_string_badalpha", "cert.profile-br", "printable"),
    Mapped("e_sub_cert_locality_name_must_not_appear", "cert.profile-br", "place-alone"),
    Mapped("e_sub_cert_province_must_not_appear", "cert.profile-br", "place-alone"),
    Mapped("e_sub_cert_street_address_should_not_exist", "cert.profile-br", "place-alone"),
    Mapped("e_sub_cert_postal_code_must_not_appear", "cert.profile-br", "place-alone"),
    Mapped("e_aia_ca_issuers_must_have_http_only", "cert.profile-br", "access-form"),
    Mapped("e_aia_must_contain_permitted_access_method", "cert.profile-br", "access-form"),
    Mapped("e_cab_ov_requires_org", "cert.profile-br", "organization"),
    Mapped("e_cert_policy_ov_requires_country", "cert.profile-br", "country"),
    Mapped("e_cert_policy_ov_requires_province_or_locality", "cert.profile-br", "place"),
    Mapped("e_ext_san_space_dns_name", "cert.profile-br", "name-empty"),
    Mapped("e_ext_san_registered_id_present", "cert.profile-br", "name-kind"),
    Mapped("e_ext_san_other_name_present", "cert.profile-br", "name-kind"),
    Mapped("e_ext_san_edi_party_name_present", "cert.profile-br", "name-kind"),
    Mapped("e_ext_ian_dns_not_ia5_string", "cert.profile-br", "name-ia5"),
    Mapped("e_ext_ian_uri_not_ia5", "cert.profile-br", "name-ia5"),
    Mapped("e_ext_san_uri_not_ia5", "cert.profile-br", "name-ia5"),
    Mapped("e_aia_ocsp_must_have_http_only", "cert.profile-br", "access-form"),
    Mapped("e_ext_key_usage_without_bits", "cert.profile-br", "usage-empty"),
    Mapped("e_ext_policy_constraints_not_critical", "cert.profile-br", "policy-constraints-critical"),
    Mapped("e_ext_freshest_crl_marked_critical", "cert.profile-br", "freshest-crl-critical"),
    Mapped("e_ext_subject_directory_attr_critical", "cert.profile-br", "directory-critical"),
    Mapped("e_ext_authority_key_identifier_critical", "cert.profile-br", "authority-key-critical"),
    Mapped("e_ext_subject_key_identifier_critical", "cert.profile-br", "subject-key-critical"),
    Mapped("e_ca_is_ca", "cert.profile-br", "key-cert-sign"),
    Mapped("e_ca_subject_field_empty", "cert.profile-br", "ca-subject"),
    Mapped("e_ca_country_name_missing", "cert.profile-br", "ca-country"),
    Mapped("e_ca_country_name_invalid", "cert.profile-br", "country-code"),
    Mapped("e_ca_organization_name_missing", "cert.profile-br", "ca-organization"),
    Mapped("e_ca_common_name_missing", "cert.profile-br", "ca-name"),
    Mapped("e_subj_orgunit_in_ca_cert", "cert.profile-br", "ca-unit"),
    Mapped("e_ca_key_usage_missing", "cert.profile-br", "ca-usage"),
    Mapped("e_ca_key_usage_not_critical", "cert.profile-br", "ca-usage-critical"),
    Mapped("e_ca_key_cert_sign_not_set", "cert.profile-br", "ca-cert-sign"),
    Mapped("e_ca_crl_sign_not_set", "cert.profile-br", "ca-crl-sign"),
    Mapped("e_rsa_allowed_ku_ca", "cert.profile-br", "ca-usage-of-rsa"),
    Mapped("e_rsa_allowed_ku_no_encipherment_ca", "cert.profile-br", "ca-encipherment"),
    Mapped("e_ext_subject_key_identifier_missing_ca", "cert.profile-br", "ca-key-id"),
    Mapped("e_basic_constraints_not_critical", "cert.profile-br", "ca-constraints-critical"),
    Mapped("e_sub_ca_certificate_policies_missing", "cert.profile-br", "ca-policies"),
    Mapped("e_invalid_ca_certificate_policies", "cert.profile-br", ("ca-policy-kind", "ca-policies")),
    Mapped("e_ca_multiple_reserved_policy_oids", "cert.profile-br", "ca-policy-kind"),
    Mapped("e_sub_ca_aia_missing", "cert.profile-br", "ca-access"),
    Mapped("e_ca_aia_non_http_url", "cert.profile-br", "ca-access-form"),
    Mapped("e_crl_distrib_points_not_http", "cert.profile-br", "crl-form"),
    Mapped("e_sub_ca_crl_distribution_points_missing", "cert.profile-br", "ca-crl"),
    Mapped("e_sub_ca_crl_distribution_points_marked_critical", "cert.profile-br", "ca-crl-critical"),
    Mapped("e_ca_invalid_eku", "cert.profile-br", "ca-purposes"),
    Mapped("e_subject_contains_reserved_ip", "cert.internal-name", ("reserved-common-name", "reserved-address")),
    Mapped("e_mp_modulus_must_be_2048_bits_or_more", KEY, "RSA with"),
    Mapped("e_dnsname_not_valid_tld", "cert.internal-name", "internal"),
    Mapped("e_dnsname_bad_character_in_label", "cert.internal-name", "character"),
    Mapped("e_ext_san_contains_reserved_ip", "cert.internal-name", "reserved-address"),
    Mapped("e_dnsname_contains_bare_iana_suffix", "cert.internal-name", "bare-suffix"),
    Mapped("e_arpa_domain_not_allowed", "cert.internal-name", "reverse-zone"),
    Mapped("e_missing_crl_distrib_point", "cert.no-revocation-info", "revocation"),
    Mapped("w_ct_sct_policy_count_unsatisfied", "cert.sct-insufficient", "logs", other_table),
    Mapped("e_client_auth_not_allowed", "cert.eku-clientauth", "clients"),
)


def violations_of(certificate: Certificate) -> dict[str, tuple[str, ...]]:
    """Return by check the violations of a certificate: the id of each rule that it breaks, or a message."""
    roles = [*([False] if certificate.raw.is_ca else []), *([] if is_of_ca(certificate.raw) else [True])]
    by_books = {
        check: tuple(
            violation.rule
            for as_leaf in roles
            for violation in lint(certificate.der, rules, as_leaf=as_leaf).violations
        )
        for check, rules in BOOKS.items()
    }
    return by_books | {check: _readable_faults(judge, certificate) for check, judge in OWN.items()}


def _readable_faults(judge: Callable[[Certificate], tuple[str, ...]], certificate: Certificate) -> tuple[str, ...]:
    """Return the faults, none if a field cannot be read."""
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
            elif ders := certificates_in(text):
                certificates[name] = read_certificate(ders[0])
    return certificates, expected


def _texts(archive: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    for member in archive:
        if stream := archive.extractfile(member):
            yield Path(member.name).name, stream.read().decode("latin-1")


def left_out(
    mapped: Mapped, name: str, certificate: Certificate, expected: dict[tuple[str, str], str], *, fired: bool
) -> str | None:
    """Return why a row does not count, or None."""
    result = expected[name, mapped.lint]
    if result == "fatal":
        return UNDECIDED
    if result == "pass":
        another_hits = fired and _another_hits(mapped, name, expected)
        return mapped.leaves_out(certificate) or (ANOTHER if another_hits else None)
    return OF_CAS if not fired and mapped.is_of_leaves and is_of_ca(certificate.raw) else None


def _another_hits(mapped: Mapped, name: str, expected: dict[tuple[str, str], str]) -> bool:
    """Return whether another lint of the same rule hits."""
    others = (other for other in MAPPING if other.check == mapped.check and {*other.prefixes} & {*mapped.prefixes})
    return any(expected.get((name, other.lint)) in FINDINGS for other in others)


def main(file: Path) -> int:
    """Judge every certificate, print the table, and return the exit status."""
    certificates, expected = read_cases(file)
    counts_by_lint, reasons, faults = defaultdict[str, Counts](Counts), Counter[str](), list[str]()
    for name, certificate in certificates.items():
        ours, is_read = violations_of(certificate), reads(certificate.der)
        for mapped in MAPPING:
            if (result := expected.get((name, mapped.lint))) is None:
                continue
            fired = mapped.fires(ours[mapped.check])
            if reason := left_out(mapped, name, certificate, expected, fired=fired):
                counts_by_lint[mapped.lint].left_out += 1
                reasons[f"{mapped.lint}: {reason}"] += 1
                continue
            if fault := counts_by_lint[mapped.lint].count(expected=result in FINDINGS, fired=fired, is_read=is_read):
                faults.append(f"{fault}: {mapped.lint} {name}")
    status = report(counts_by_lint, reasons, faults)
    print(*figures(certificates.values()), sep="\n")
    return status


def report(counts_by_lint: dict[str, Counts], reasons: Counter[str], faults: list[str]) -> int:
    """Print the counts; return 1 if a limit is exceeded."""
    print(f"{'':95}   rows   hits misses  false   left beyond")
    for mapped in MAPPING:
        print(f"{mapped.check:28}{mapped.lint:67}{counts_by_lint[mapped.lint]}")
    sums = (sum(getattr(counts, name) for counts in counts_by_lint.values()) for name in Counts.__slots__)
    total = Counts(*sums)
    print(f"{'all':95}{total}")
    recall = total.hits / max(1, total.hits + total.misses)
    false_share = total.false_positives / max(1, total.rows - total.hits - total.misses)
    print(f"recall {recall:.4f}, false positives {false_share:.4%} of the rows that should not be a finding")
    reached = (total.hits - total.beyond) / max(1, total.hits + total.misses)
    print(f"recall with only the certificates that the library alone reads completely: {reached:.4f}")
    for line in (*(f"left out {count}: {reason}" for reason, count in reasons.items()), *sorted(faults)):
        print(line)
    return int(recall < RECALL_MIN or false_share > FALSE_POSITIVES_MAX)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
