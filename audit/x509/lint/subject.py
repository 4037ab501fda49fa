"""Rules for the names in a certificate: attributes of a subject, their order and encoding (BR 7.1.2.7, 7.1.4).

A domain-validated subject has a country and a common name at most; an organization or a person comes with its place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from audit.x509.lint import LintRule, day
from audit.x509.raw import COMMON_NAME, SAN, NameAttribute, RawCertificate

_COUNTRY, _STATE, _PLACE, _STREET, _POSTAL_CODE = "2.5.4.6", "2.5.4.8", "2.5.4.7", "2.5.4.9", "2.5.4.17"
_ORGANIZATION, _UNIT, _SURNAME, _GIVEN_NAME = "2.5.4.10", "2.5.4.11", "2.5.4.4", "2.5.4.42"
_DOMAIN, _SERIAL, _CATEGORY, _REGISTRY = "0.9.2342.19200300.100.1.25", "2.5.4.5", "2.5.4.15", "2.5.4.97"
_SEAT_PLACE, _SEAT_STATE, _SEAT_COUNTRY = (f"1.3.6.1.4.1.311.60.2.1.{number}" for number in (1, 2, 3))
_NAMES: Final = {
    _COUNTRY: "countryName",
    _STATE: "stateOrProvinceName",
    _PLACE: "localityName",
    _STREET: "streetAddress",
    _POSTAL_CODE: "postalCode",
    _ORGANIZATION: "organizationName",
    _UNIT: "organizationalUnitName",
    _SURNAME: "surname",
    _GIVEN_NAME: "givenName",
    COMMON_NAME: "commonName",
    _DOMAIN: "domainComponent",
    _SERIAL: "serialNumber",
    _CATEGORY: "businessCategory",
    _REGISTRY: "organizationIdentifier",
    _SEAT_PLACE: "jurisdictionLocality",
    _SEAT_STATE: "jurisdictionStateOrProvince",
    _SEAT_COUNTRY: "jurisdictionCountry",
}
_ORDER: Final = (_DOMAIN, _COUNTRY, _STATE, _PLACE, _POSTAL_CODE, _STREET, _ORGANIZATION, _SURNAME, _GIVEN_NAME, _UNIT,
                 COMMON_NAME)  # fmt: skip
_MANY: Final = (_DOMAIN, _STREET, _UNIT)  # attributes of which there may be several (BR 7.1.4.1)
_OF_SOMEONE: Final = frozenset({_ORGANIZATION, _GIVEN_NAME, _SURNAME})
_ADDRESS: Final = (_PLACE, _STATE, _STREET, _POSTAL_CODE)

_DOMAIN_VALIDATED, _ORGANIZATION_VALIDATED, _INDIVIDUAL_VALIDATED = (f"2.23.140.1.2.{number}" for number in (1, 2, 3))

_UTF8, _PRINTABLE, _IA5 = 0x0C, 0x13, 0x16
_ENCODINGS: Final = {_DOMAIN: (_IA5,), **dict.fromkeys((_COUNTRY, _SERIAL, _SEAT_COUNTRY), (_PRINTABLE,))}
_PRINTABLE_TEXT: Final = re.compile(rb"[A-Za-z0-9 '()+,./:=?-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_STRUCTURED: Final = re.compile(r'[=:{};"|\[\]]')
_SAYS_SOMETHING: Final = re.compile(r"[A-Za-z0-9]|[^\x00-\x7f]")

COUNTRIES: Final = frozenset(re.findall(r"[A-Z]+",
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA "
    "CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA "
    "GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP "
    "KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS "
    "MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS "
    "RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW "
    "TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XX"
))  # fmt: skip
"""The country codes of ISO 3166-1, and XX for a country without one (BR 3.2.2.3)."""


def no_issuer(raw: RawCertificate) -> str | None:
    """Require a name of the issuer."""
    return None if raw.issuer.content else "the name of its issuer is empty"


def no_subject(raw: RawCertificate) -> str | None:
    """Require a subject, or a subject alternative name instead."""
    return None if raw.subject.content or SAN in raw.extensions else "it has neither a subject nor a subjectAltName"


def no_country(raw: RawCertificate) -> str | None:
    """Require the country of an organization or person."""
    return "its subject has no countryName" if _is_of_someone(raw) and _COUNTRY not in _types(raw) else None


def no_place(raw: RawCertificate) -> str | None:
    """Require the state or the place of an organization or person."""
    if not _is_of_someone(raw) or not {_PLACE, _STATE}.isdisjoint(_types(raw)):
        return None
    return "its subject has neither localityName nor stateOrProvinceName"


def place_alone(raw: RawCertificate) -> str | None:
    """Forbid the address of neither an organization nor a person."""
    types = _types(raw)
    if raw.is_ca or not _OF_SOMEONE.isdisjoint(types):
        return None
    return _present(raw, _ADDRESS, "without organizationName, givenName or surname")


def no_organization(raw: RawCertificate) -> str | None:
    """Require an organization if the policy says that it was validated."""
    is_missing = _ORGANIZATION_VALIDATED in raw.policies and _ORGANIZATION not in _types(raw)
    return "its policy is organization-validated, and its subject has no organizationName" if is_missing else None


def person_without_policy(raw: RawCertificate) -> str | None:
    """Require of a subject with the name of a person that the policy says that the person was validated."""
    if raw.is_ca or {_GIVEN_NAME, _SURNAME}.isdisjoint(_types(raw)) or _INDIVIDUAL_VALIDATED in raw.policies:
        return None
    return f"its subject names a person, and its policies lack {_INDIVIDUAL_VALIDATED} (individual-validated)"


def more_than_domain(raw: RawCertificate) -> str | None:
    """Forbid attributes that are not validated if only the domain was."""
    if raw.is_ca or _DOMAIN_VALIDATED not in raw.policies:
        return None
    others = tuple(oid for oid in _types(raw) if oid not in (_COUNTRY, COMMON_NAME))
    return _present(raw, others, "although its policy is domain-validated")


def organizational_unit(raw: RawCertificate) -> str | None:
    """Forbid organizational units."""
    return None if raw.is_ca else _present(raw, (_UNIT,), "which is forbidden")


def out_of_order(raw: RawCertificate) -> str | None:
    """Require the attributes in their order, from domainComponent to commonName."""
    places = [_ORDER.index(oid) for oid in _types(raw) if oid in _ORDER]
    for before, after in pairwise(places):
        if after < before:
            return f"in its subject, {_name(_ORDER[after])} stands after {_name(_ORDER[before])}"
    return None


def repeated_attribute(raw: RawCertificate) -> str | None:
    """Forbid two attributes of one type."""
    repeated = [oid for oid, number in Counter(_types(raw)).items() if number > 1 and oid not in _MANY]
    return f"its subject has {_listed(repeated)} more than once" if repeated else None


def wrong_encoding(raw: RawCertificate) -> str | None:
    """Require of each attribute the string type that goes with it."""
    return _wrong(raw, _is_in_wrong_type, "is in a string type that is not allowed")


def not_printable_string(raw: RawCertificate) -> str | None:
    """Require of a PrintableString that it is not empty and has only the characters of this type."""
    return _wrong(raw, _is_not_printable, "is empty or has characters that a PrintableString cannot have")


def control_character(raw: RawCertificate) -> str | None:
    """Forbid control characters."""
    return _wrong(raw, lambda attribute: bool(_CONTROL.search(attribute.decoded)), "has a control character")


def structured_place(raw: RawCertificate) -> str | None:
    """Require of state and place that they are plain names, not parts of JSON or of lists of keys and values."""
    return _wrong(raw, _is_structured_place, "has characters that names of places do not have")


def says_nothing(raw: RawCertificate) -> str | None:
    """Forbid values such as "-" that only say that there is no value."""
    return _wrong(raw, lambda attribute: not _SAYS_SOMETHING.search(attribute.decoded), "consists of punctuation")


def not_a_country(raw: RawCertificate) -> str | None:
    """Require a country code of ISO 3166-1 in upper case."""
    countries = (attribute.decoded for attribute in raw.subject_attributes if attribute.oid == _COUNTRY)
    wrong = next((country for country in countries if country not in COUNTRIES), None)
    return None if wrong is None else f"the countryName {wrong!r} of its subject is not a country code of ISO 3166-1"


def _wrong(raw: RawCertificate, is_wrong: Callable[[NameAttribute], bool], fault: str) -> str | None:
    """Return the fault of the attributes of the subject that are wrong, or None."""
    wrong = [attribute.oid for attribute in raw.subject_attributes if is_wrong(attribute)]
    return f"{_listed(wrong)} of its subject {fault}" if wrong else None


def _is_in_wrong_type(attribute: NameAttribute) -> bool:
    allowed = _ENCODINGS.get(attribute.oid, (_UTF8, _PRINTABLE))
    return attribute.oid in _NAMES and attribute.value.tag not in allowed


def _is_not_printable(attribute: NameAttribute) -> bool:
    return attribute.value.tag == _PRINTABLE and not _PRINTABLE_TEXT.fullmatch(attribute.value.content)


def _is_structured_place(attribute: NameAttribute) -> bool:
    return attribute.oid in (_STATE, _PLACE) and bool(_STRUCTURED.search(attribute.decoded))


def _is_of_someone(raw: RawCertificate) -> bool:
    """Return whether a server's certificate names an organization or a person, or a policy says so."""
    validated = {_ORGANIZATION_VALIDATED, _INDIVIDUAL_VALIDATED}
    return not raw.is_ca and not (_OF_SOMEONE.isdisjoint(_types(raw)) and validated.isdisjoint(raw.policies))


def _types(raw: RawCertificate) -> tuple[str, ...]:
    return tuple(attribute.oid for attribute in raw.subject_attributes)


def _present(raw: RawCertificate, types: tuple[str, ...], why: str) -> str | None:
    present = [oid for oid in dict.fromkeys(types) if oid in _types(raw)]
    return f"its subject has {_listed(present)}, {why}" if present else None


def _listed(types: list[str]) -> str:
    return ", ".join(dict.fromkeys(map(_name, types)))


def _name(oid: str) -> str:
    return _NAMES.get(oid, oid)


_CHECK: Final = "cert.profile-br"
_RFC2459: Final = day(1999, 1, 1)
_BR: Final = day(2012, 7, 1)
_PERSONS: Final = day(2016, 9, 7)  # ballot 175
_PROFILES: Final = day(2023, 9, 15)  # ballot SC62v2
SUBJECT_RULES: Final = (
    LintRule("issuer-name", _CHECK, "RFC 5280", "4.1.2.4", _RFC2459, no_issuer, of="any"),
    LintRule("subject-name", _CHECK, "RFC 5280", "4.1.2.6", _RFC2459, no_subject, of="any"),
    LintRule("country", _CHECK, "BR", "7.1.2.7.4", _PERSONS, no_country),
    LintRule("place", _CHECK, "BR", "7.1.2.7.4", _PERSONS, no_place),
    LintRule("place-alone", _CHECK, "BR", "7.1.2.7.2", _PERSONS, place_alone),
    LintRule("organization", _CHECK, "BR", "7.1.2.7.4", _BR, no_organization),
    LintRule("person-policy", _CHECK, "BR", "7.1.2.7.3", _PERSONS, person_without_policy),
    LintRule("domain-alone", _CHECK, "BR", "7.1.2.7.2", _PROFILES, more_than_domain),
    LintRule("unit", _CHECK, "BR", "7.1.2.7.4", day(2022, 9, 1), organizational_unit),
    LintRule("attribute-order", _CHECK, "BR", "7.1.4.2", _PROFILES, out_of_order),
    LintRule("attribute-repeated", _CHECK, "BR", "7.1.4.1", _PROFILES, repeated_attribute, of="any"),
    LintRule("attribute-encoding", _CHECK, "BR", "7.1.4.2", _PROFILES, wrong_encoding, of="any"),
    LintRule("printable", _CHECK, "RFC 5280", "4.1.2.4", _RFC2459, not_printable_string, of="any"),
    LintRule("control", _CHECK, "BR", "7.1.4.4", _BR, control_character, of="any"),
    LintRule("place-form", _CHECK, "BR", "3.2.2.1", _BR, structured_place, of="any"),
    LintRule("says-nothing", _CHECK, "BR", "7.1.4.4", _BR, says_nothing, of="any"),
    LintRule("country-code", _CHECK, "BR", "7.1.4.2", _BR, not_a_country, of="any"),
)
