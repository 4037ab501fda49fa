"""Tests of policy profiles: where each value comes from, inheritance, errors, and which policy applies."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from textwrap import dedent

import pytest

from audit.checks import check_ids
from audit.config import Configuration, profile_named, read_waivers
from audit.engine import AuditSettings, make_run
from audit.evaluation.key_index import KeyIndex
from audit.policy import BadProfile, Policy, builtin_profiles, choose_policy, load_profile, require_checks
from audit.policy.profile_file import THRESHOLDS
from audit.policy.thresholds import PolicyNote, Thresholds
from audit.x509.path.trust_store import TrustAnchors
from tests.repository.documents import checks
from tests.support.checkout import CHECKOUT
from tests.support.endpoint_facts import GOOD, chain, private
from tests.support.x509.certificates import leaf


def written(folder: Path, text: str, name: str = "corp.toml") -> str:
    """Write a profile and return its path."""
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize("name", builtin_profiles())
def test_each_value_of_a_built_in_profile_has_a_source(name: str) -> None:
    profile = load_profile(name)
    given = {known for known in THRESHOLDS if getattr(profile.thresholds, known) != getattr(Thresholds(), known)}
    assert given <= set(profile.sources)
    assert set(profile.severities) <= set(profile.severity_sources)
    assert all((*profile.sources.values(), *profile.severity_sources.values(), *profile.disabled.values()))
    assert profile.title


@pytest.mark.parametrize("name", builtin_profiles())
def test_built_in_profile_names_known_checks_and_is_on_the_policies_page(name: str) -> None:
    profile = load_profile(name)
    require_checks(profile, check_ids())
    assert {*profile.severities, *profile.disabled, *profile.notes} <= {mark.id for mark, _ in checks()}
    assert f"\n| `{name}` |" in page()


def test_profile_inherits_the_values_that_it_does_not_set() -> None:
    cpanel = load_profile("cpanel")
    assert (cpanel.thresholds.expiring_days_own, cpanel.thresholds.expiring_days) == (25, 3)
    assert cpanel.thresholds.rsa_bits_min == load_profile("webpki").thresholds.rsa_bits_min
    assert cpanel.sources["rsa_bits_min"] == "BR 6.1.5"


def test_profile_of_the_user_extends_a_built_in_profile(tmp_path: Path) -> None:
    text = """
        extends = "webpki"
        source = "Corp PKI policy 3"
        [thresholds]
        rsa_bits_min = 3072
        renewal_fraction = { value = "2/5", source = "Corp PKI policy 4" }
        [severities]
        "chain.order" = "high"
        "acme.corp-issuer" = "low"
        [disabled]
        "cert.renewal-due" = "our agent renews at its own time"
    """
    corp = load_profile(written(tmp_path, text))
    assert (corp.name, corp.thresholds.rsa_bits_min, corp.thresholds.renewal_fraction) == ("corp", 3072, Fraction(2, 5))
    assert corp.title == load_profile("webpki").title
    sources = corp.sources["rsa_bits_min"], corp.sources["renewal_fraction"]
    assert sources == ("Corp PKI policy 3", "Corp PKI policy 4")
    assert corp.severity_sources == {"chain.order": "Corp PKI policy 3", "acme.corp-issuer": "Corp PKI policy 3"}
    assert corp.disabled == {"cert.renewal-due": "our agent renews at its own time"}


def test_cpanel_profile_notes_rules_that_differ_from_current_practice(tmp_path: Path) -> None:
    notes = load_profile("cpanel").notes
    text_of_notes = " ".join(f"{note.current_practice} {note.source}" for note in notes.values())
    assert all(word in text_of_notes for word in ("47", "OCSP", "does not publish", "every address"))
    assert all(note.legacy_rule.endswith(".") and note.current_practice.endswith(".") for note in notes.values())
    text = 'extends = "cpanel"\n[notes."cert.expired"]\nlegacy_rule = "a"\ncurrent_practice = "b"\nsource = "c"\n'
    assert load_profile(written(tmp_path, text)).notes == {**notes, "cert.expired": PolicyNote("a", "b", "c")}
    assert load_profile("webpki").notes == {}


def test_profile_extends_another_file_in_its_directory(tmp_path: Path) -> None:
    base = 'extends = "webpki"\nsource = "ours"\n[thresholds]\nrsa_bits_min = 4096\n'
    written(tmp_path, base, "base.toml")
    assert load_profile(written(tmp_path, 'extends = "base.toml"\n')).thresholds.rsa_bits_min == 4096


def test_profile_without_a_parent_sets_every_required_threshold(tmp_path: Path) -> None:
    text = """
        source = "ours"
        [thresholds]
        signature_digests = ["sha384"]
        curves = ["P-384"]
        not_before_tolerance_s = 0
        clock_offset_max_s = 5
        key_owners = ["root"]
        key_groups = []
        revocation_exempt = [{ issued_from = 2026-03-15, days = 7 }, { issued_from = 2024-03-15, days = 10 }]
        ocsp_ageless_s = 3600
    """
    own = load_profile(written(tmp_path, text)).thresholds
    assert own.curves == ("P-384",)
    assert (own.key_owners, own.key_groups) == (("root",), ())
    assert [limit.days for limit in own.revocation_exempt] == [10, 7]  # by date, however they are written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[threshold]\n", "corp.toml: unknown key 'threshold'; did you mean 'thresholds'?"),
        ("[thresholds]\nrsa_bit_min = 1\n", "[thresholds]: unknown key 'rsa_bit_min'; did you mean 'rsa_bits_min'?"),
        ("[thresholds]\nrsa_bits_min = 1\n", "[thresholds] rsa_bits_min: it has no source; write { value = 1, source"),
        ('[severities]\n"chain.order" = "low"\n', "[severities] chain.order: it has no source"),
        ("[thresholds]\nrsa_bits_min = { valeu = 1 }\n", "rsa_bits_min: unknown key 'valeu'; did you mean 'value'?"),
        ('[thresholds]\nrsa_bits_min = { source = "x" }\n', "rsa_bits_min: it has no value"),
        ('[thresholds]\nrsa_bits_min = { value = 1, source = "" }\n', "rsa_bits_min, source: it is empty"),
        ("source = 3\n", "source: 3 is not a text"),
        ("title = 3\n", "title: 3 is not a text"),
        ("extends = 3\n", "extends: 3 is not a text"),
        ("disabled = 3\n", "[disabled]: 3 is not a table"),
        ('source="x"\n[thresholds]\nrsa_bits_min = "many"\n', "rsa_bits_min: 'many' is not a whole number"),
        ('source="x"\n[thresholds]\nrsa_bits_min = -1\n', "-1 is negative"),
        ('source="x"\n[thresholds]\nrsa_bits_multiple = 0\n', "0 is less than 1"),
        ('source="x"\n[thresholds]\nexpiring_days = 1000000000\n', "1000000000 is more than 999999999"),
        ('source="x"\n[thresholds]\nrsa_bits_min = true\n', "true is not a whole number"),
        ('source="x"\n[thresholds]\neku_required = 1\n', "1 is not true or false"),
        ('source="x"\n[thresholds]\nrenewal_fraction = 3\n', "not between 0 and 1"),
        ('source="x"\n[thresholds]\nrenewal_fraction = "1/0"\n', "is not a fraction"),
        ('source="x"\n[thresholds]\ncurves = "P-256"\n', "curves: 'P-256' is not a list"),
        ('source="x"\n[thresholds]\nkey_owners = [" "]\n', "[thresholds] key_owners: it is empty"),
        ('source="x"\n[thresholds]\ncurves = ["P256"]\n', "did you mean 'P-256'?"),
        ('source="x"\n[thresholds]\nrevocation_digests = ["md5"]\n', "revocation_digests: 'md5' is not one of sha1"),
        ('source="x"\n[thresholds]\nrevocation_digest = ["sha1"]\n', "did you mean 'revocation_digests'?"),
        ('source="x"\n[thresholds]\nprotocols_forbidden = ["TLSv1.0"]\n', "did you mean 'TLSv1"),
        ('source="x"\n[thresholds]\nvalidity_max = [{ days = 3 }]\n', "write { issued_from = 2026-03-15, days = 200 }"),
        (
            'source="x"\n[thresholds]\nvalidity_max = [{ issued_from = 2026-03-15, day = 3 }]\n',
            "[thresholds] validity_max: unknown key 'day'; did you mean 'days'?",
        ),
        ('source="x"\n[severities]\n"chain.order" = "hihg"\n', "low, medium, high, critical; did you mean 'high'?"),
        ('extends = "webpki"\n[disabled]\n"cert.expired" = ""\n', "[disabled] cert.expired: it is empty"),
        ('[notes."cert.expired"]\nlegacy_rule = "a"\n', "it has no current_practice, source; a note needs"),
        ('[notes."cert.expired"]\nlegacy_rules = "a"\n', "unknown key 'legacy_rules'; did you mean 'legacy_rule'?"),
        (
            '[notes."cert.expired"]\nlegacy_rule = ""\ncurrent_practice = "b"\nsource = "c"\n',
            "cert.expired, legacy_rule: it is empty",
        ),
        ('[notes]\n"cert.expired" = "so"\n', "[notes] cert.expired: 'so' is not a table"),
        ('extends = "webpky"\n', "no profile 'webpky'; did you mean 'webpki'?"),
        ('extends = "corp.toml"\n', "extends itself"),
        ('title = "x"\n', "corp.toml: write signature_digests, curves,"),
        ("title =\nnot toml", "line 1: invalid value; in TOML a line is"),
    ],
)
def test_error_in_a_profile_is_reported_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadProfile) as raised:
        load_profile(written(tmp_path, text))
    assert message in str(raised.value)


def test_missing_profile_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match=r"none\.toml: No such file"):
        load_profile(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[severities]\n"chain.ordre" = "high"\n', "[severities]: no check is called 'chain.ordre'; did you mean"),
        ('[disabled]\n"cert.expird" = "so"\n', "corp, [disabled]: no check is called 'cert.expird'; did you mean"),
        ('[disabled]\n"expired" = "so"\n', "no check is called 'expired'"),
        (
            '[notes."cert.expird"]\nlegacy_rule = "a"\ncurrent_practice = "b"\nsource = "c"\n',
            "[notes]: no check is called 'cert.expird'",
        ),
    ],
)
def test_profile_with_an_unknown_check_id_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, f'extends = "webpki"\nsource = "x"\n{text}')
    with pytest.raises(BadProfile) as raised:
        profile_named(file, Configuration())
    assert message in str(raised.value)
    with pytest.raises(BadProfile):
        make_run(AuditSettings(TrustAnchors({}), profiles=(load_profile(file),)), KeyIndex().sharing)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("crt.expired", "[disabled]: no check is called 'crt.expired'; did you mean 'cert.expired'?"),
        ("certs.expired", "did you mean 'cert.expired'?"),
        ("chian.order", "did you mean 'chain.order'?"),
        ("certs", "no check is called 'certs'"),
        ("keys.mine", None),
        ("acme.corp-issuer", None),
        ("corp.expired", None),
    ],
)
def test_misspelt_group_is_refused_once_own_checks_are_known(tmp_path: Path, check: str, message: str | None) -> None:
    profile = load_profile(written(tmp_path, f'extends = "webpki"\nsource = "x"\n[disabled]\n"{check}" = "so"\n'))
    settings = AuditSettings(TrustAnchors({}), profiles=(profile,))
    if message is None:
        make_run(settings, KeyIndex().sharing, {"keys.mine"})
        return
    with pytest.raises(BadProfile) as raised:
        make_run(settings, KeyIndex().sharing, {"keys.mine"})
    assert message in str(raised.value)


def test_default_policy_depends_on_panel_and_trust_anchor() -> None:
    assert choose_policy(None, is_cpanel=True, is_private_pki=True).name == "cpanel"
    assert choose_policy(None, is_cpanel=False, is_private_pki=False).name == "webpki"
    assert choose_policy(None, is_cpanel=False, is_private_pki=True).name == "private-pki"
    assert not chain(GOOD).is_of_private_pki
    assert not chain(leaf(), leaf("x")).is_of_private_pki
    assert chain(GOOD, anchors=private()).is_of_private_pki


def test_named_policies_apply_to_every_endpoint() -> None:
    named = Policy((load_profile("webpki"), load_profile("cpanel")), is_named=True)
    policy = choose_policy(named, is_cpanel=True, is_private_pki=False)
    assert (policy.name, policy.is_named) == ("webpki+cpanel", True)


def test_mozilla_profiles_allow_no_longer_validity_than_webpki() -> None:
    public = load_profile("webpki").thresholds.validity_max
    for name in ("mozilla-modern", "mozilla-intermediate"):
        own = load_profile(name).thresholds.validity_max
        for start in {limit.issued_from for limit in (*own, *public) if limit.issued_from >= own[0].issued_from}:
            in_force = [
                max((limit for limit in limits if limit.issued_from <= start), key=lambda limit: limit.issued_from)
                for limits in (own, public)
            ]
            assert in_force[0].days <= in_force[1].days, (name, start)


def test_mozilla_modern_requires_ec_keys_and_tls_1_3() -> None:
    modern, intermediate = (load_profile(f"mozilla-{name}").thresholds for name in ("modern", "intermediate"))
    assert (modern.key_kinds, intermediate.key_kinds) == (("EC",), ("EC", "RSA"))
    assert set(modern.protocols_forbidden) - set(intermediate.protocols_forbidden) == {"TLSv1.2"}
    assert [limits.validity_max[0].days for limits in (modern, intermediate)] == [90, 1188]


def test_examples_on_the_policies_page_are_valid(tmp_path: Path) -> None:
    _, profile, old, waivers = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", page(), flags=re.MULTILINE)
    corp = load_profile(written(tmp_path, dedent(profile)))
    assert (corp.thresholds.rsa_bits_min, corp.sources["renewal_fraction"]) == (3072, "Corp PKI policy 4.1")
    assert load_profile(written(tmp_path, dedent(old), "old.toml")).thresholds.revocation_digests == ("sha1",)
    (waiver,) = read_waivers(Path(written(tmp_path, dedent(waivers), "waivers.toml")))
    assert waiver.owner == "ops@example.com"


def page() -> str:
    return (CHECKOUT / "docs" / "policies.md").read_text(encoding="utf-8")
