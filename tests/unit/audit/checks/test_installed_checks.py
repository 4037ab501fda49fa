"""Tests of the checks of installed files: missing, mismatched, readable by others, and not served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from audit.analysis.installed_files import bundles, covering, early_unserved, successor
from audit.checks import test_certificate, test_installed, test_key
from audit.observation import ConfigTest, FileFault, InstalledFile
from audit.x509.certificate import read_certificate
from audit.x509.loading import UnreadableField
from tests.support.endpoint_facts import (
    CPANEL,
    GOOD,
    INTERMEDIATE,
    WEBPKI,
    certificate,
    certificate_file,
    host,
    key_file,
    observed,
    served,
)
from tests.support.verdicts import finding, inconclusive, not_applicable, passes
from tests.support.x509.certificates import DAY, NOW, Draft, leaf, rsa_key

RSA = leaf().by(INTERMEDIATE).with_key(rsa_key(2048))
RENEWED = leaf().by(INTERMEDIATE).named("www.example.com", "example.com")


def private(key: InstalledFile) -> dict[str, object]:
    """Return the facts that the check of permissions needs."""
    return {"server": host(certificate_file(), key), "policy": WEBPKI}


def unreadable(kind: str, fault: FileFault, detail: str = "") -> InstalledFile:
    """Return an unreadable file."""
    return InstalledFile(f"/etc/tls/{kind}", kind, fault=fault, detail=detail)  # type: ignore[arg-type] # a table


def test_served_certificate_that_is_installed_passes() -> None:
    seen = observed(served())
    assert passes(
        test_installed.test_serves_what_is_installed, now=NOW, server=host(certificate_file()), observation=seen
    )


def test_one_of_two_installed_certificates_is_enough() -> None:
    both = host(certificate_file(RSA, path="/etc/tls/rsa.crt"), certificate_file())
    assert passes(test_installed.test_serves_what_is_installed, now=NOW, server=both, observation=observed(served()))


def test_remedy_for_a_replaced_file_is_reload() -> None:
    found = finding(test_installed.test_serves_what_is_installed, now=NOW, server=host(certificate_file(RENEWED)),
                    observation=observed(served()))  # fmt: skip
    assert found.reason.endswith(": reload nginx")
    assert found.remedy is None  # the check's own: reload


@pytest.mark.parametrize(
    ("on_disk", "check", "why"),
    [
        (GOOD.ending(NOW - DAY), test_certificate.test_not_expired, "is not served yet, expired 2026-11-22"),
        (
            GOOD.starting(NOW + DAY),
            test_certificate.test_already_valid,
            "is not served yet, is valid only from 2026-11-24",
        ),
    ],
)
def test_configured_certificate_that_is_not_valid_is_found_early(
    on_disk: Draft, check: Callable[..., None], why: str
) -> None:
    seen = observed(served(), server=host(certificate_file(on_disk, INTERMEDIATE)))
    facts = {"certificate": certificate(GOOD), "observation": seen, "now": NOW}
    if check is test_certificate.test_already_valid:
        facts["policy"] = WEBPKI
    found = finding(check, **facts)
    assert why in found.reason
    assert found.remedy in (None, "reissue")


def test_installed_certificate_of_another_name_is_ignored() -> None:
    other = leaf("other.example.com").by(INTERMEDIATE).ending(NOW - DAY)
    seen = observed(served(), server=host(certificate_file(), certificate_file(other, path="/etc/tls/other.crt")))
    assert passes(test_certificate.test_not_expired, certificate=certificate(GOOD), observation=seen, now=NOW)


def test_difference_from_an_expired_file_is_inconclusive() -> None:
    seen = observed(served(), server=host(certificate_file(GOOD.ending(NOW - DAY))))
    judgement = inconclusive(
        test_installed.test_serves_what_is_installed, now=NOW, server=seen.server, observation=seen
    )
    assert judgement.because == "cert.expired"


def test_address_of_another_host_is_not_compared_with_files() -> None:
    elsewhere = served(RENEWED, address="198.51.100.1")
    seen = observed(served(), elsewhere)
    assert passes(
        test_installed.test_serves_what_is_installed, now=NOW, server=host(certificate_file()), observation=seen
    )


def test_unreadable_files_are_inconclusive_with_the_missing_right() -> None:
    hidden = host(unreadable("certificate", "denied", "the folder /etc/tls needs root"))
    judgement = inconclusive(
        test_installed.test_serves_what_is_installed, now=NOW, server=hidden, observation=observed(served())
    )
    assert "needs root" in judgement.reason


def test_difference_is_inconclusive_beside_an_unreadable_file() -> None:
    half = host(certificate_file(RENEWED), unreadable("certificate", "denied"))
    assert inconclusive(
        test_installed.test_serves_what_is_installed, now=NOW, server=half, observation=observed(served())
    )


def test_service_without_configured_files_is_not_applicable() -> None:
    assert not_applicable(
        test_installed.test_serves_what_is_installed, now=NOW, server=host(), observation=observed(served())
    )


def test_existing_files_pass() -> None:
    server = replace(host(certificate_file(), key_file()), config_test=ConfigTest("nginx -t", ok=True))
    assert passes(test_installed.test_configured_files_are_there, server=server)


@pytest.mark.parametrize("fault", ["missing", "directory", "unparseable", "empty"])
def test_unusable_file_is_named_and_makes_other_checks_inconclusive(fault: FileFault) -> None:
    server = host(certificate_file(), unreadable("key", fault))
    assert "/etc/tls/key" in finding(test_installed.test_configured_files_are_there, server=server).reason
    for check, facts in ((test_key.test_key_fits_certificate, {}), (test_key.test_key_is_private, {"policy": WEBPKI})):
        assert inconclusive(check, server=server, **facts).because == "svc.config-missing-file"


def test_file_that_the_login_may_not_read_is_inconclusive() -> None:
    server = host(certificate_file(), unreadable("key", "denied", "sudo is needed"))
    assert "sudo is needed" in inconclusive(test_installed.test_configured_files_are_there, server=server).reason


def test_encrypted_key_exists_and_its_match_is_inconclusive() -> None:
    server = host(certificate_file(), replace(key_file(), spki_sha256=None, fault="encrypted"))
    assert passes(test_installed.test_configured_files_are_there, server=server)
    assert "encrypted" in inconclusive(test_key.test_key_fits_certificate, server=server).reason


def test_configuration_that_fails_its_test_is_inconclusive() -> None:
    server = replace(host(certificate_file()), config_test=ConfigTest("nginx -t", ok=False, detail="unknown directive"))
    assert "unknown directive" in inconclusive(test_installed.test_configured_files_are_there, server=server).reason


def test_configuration_without_files_is_not_applicable() -> None:
    assert not_applicable(test_installed.test_configured_files_are_there, server=host())
    hidden = replace(host(), missing_rights=("doveconf needs root",))
    assert "doveconf" in inconclusive(test_installed.test_configured_files_are_there, server=hidden).reason


def test_certificate_without_an_agent_passes() -> None:
    assert passes(test_installed.test_no_foreign_agent, server=host(certificate_file()))
    assert not_applicable(test_installed.test_no_foreign_agent, server=host())


def test_agent_that_owns_the_certificate_is_named() -> None:
    server = replace(host(certificate_file()), agent="certbot")
    assert finding(test_installed.test_no_foreign_agent, server=server).observed == "certbot"


def test_matching_key_passes() -> None:
    assert passes(test_key.test_key_fits_certificate, server=host(certificate_file(), key_file()))


def test_two_matching_pairs_pass_in_order() -> None:
    pairs = (certificate_file(), key_file(), certificate_file(RSA, path="/r.crt"), key_file(RSA, path="/r.key"))
    assert passes(test_key.test_key_fits_certificate, server=host(*pairs))


def test_remedy_for_exchanged_keys_is_configure() -> None:
    crossed = (certificate_file(), key_file(RSA, path="/r.key"), certificate_file(RSA, path="/r.crt"), key_file())
    found = finding(test_key.test_key_fits_certificate, server=host(*crossed))
    assert found.remedy == "configure"


def test_remedy_for_a_file_that_begins_with_an_intermediate_is_configure() -> None:
    found = finding(test_key.test_key_fits_certificate, server=host(certificate_file(INTERMEDIATE, GOOD), key_file()))
    assert found.remedy == "configure"
    assert "certificate 2 in /etc/tls/www.crt" in found.reason


def test_remedy_for_a_key_without_a_certificate_is_reissue() -> None:
    found = finding(test_key.test_key_fits_certificate, server=host(certificate_file(), key_file(RSA)))
    assert found.reason == "/etc/tls/www.key is not the key of /etc/tls/www.crt"
    assert found.remedy == "reissue"


def test_key_match_is_not_applicable_without_a_key_file() -> None:
    assert not_applicable(test_key.test_key_fits_certificate, server=host())


def test_key_readable_by_root_only_is_private() -> None:
    assert passes(test_key.test_key_is_private, **private(key_file()))


def test_allowed_group_may_read_the_key() -> None:
    assert passes(test_key.test_key_is_private, **private(replace(key_file(mode=0o640), group="ssl-cert")))
    assert passes(test_key.test_key_is_private, **private(replace(key_file(mode=0o640), group="nginx")))


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (key_file(mode=0o644), "every user may read it: treat the key as compromised"),
        (key_file(mode=0o602), "every user may write it"),
        (key_file(mode=0o660), "the group root may write it"),
        (replace(key_file(mode=0o640), group="users"), "the group users may read it"),
        (replace(key_file(), owner="alice"), "it belongs to alice"),
        (replace(key_file(), open_folder="/srv/tls"), "others may write to the folder /srv/tls"),
    ],
)
def test_finding_about_a_readable_key_names_the_users(key: InstalledFile, why: str) -> None:
    found = finding(test_key.test_key_is_private, **private(key))
    assert why in found.reason
    assert found.policy == "webpki"


def test_accounts_of_the_panel_are_allowed_by_its_policy_only() -> None:
    key = replace(key_file(mode=0o640), owner="mailnull", group="mail")
    assert passes(test_key.test_key_is_private, server=host(key), policy=CPANEL)
    assert finding(test_key.test_key_is_private, server=host(key), policy=WEBPKI)


def test_key_with_an_unknown_mode_is_inconclusive() -> None:
    judgement = inconclusive(test_key.test_key_is_private, **private(unreadable("key", "denied", "needs root")))
    assert "needs root" in judgement.reason
    assert inconclusive(test_key.test_key_is_private, **private(key_file(mode=None)))


def test_key_permissions_are_not_applicable_without_a_key_file() -> None:
    assert not_applicable(test_key.test_key_is_private, server=host(certificate_file()), policy=WEBPKI)


@pytest.mark.parametrize("draft", [GOOD, RSA, GOOD.with_key(rsa_key(3072))])
def test_key_of_allowed_size_or_curve_is_strong(draft: Draft) -> None:
    assert passes(test_key.test_key_is_strong, certificate=certificate(draft), policy=WEBPKI)


def test_short_rsa_key_is_weak() -> None:
    found = finding(test_key.test_key_is_strong, certificate=certificate(GOOD.with_key(rsa_key(1024))), policy=WEBPKI)
    assert found.reason == "RSA with 1024 bits; at least 2048 are required"


def test_modulus_that_is_not_a_multiple_of_8_bits_is_weak() -> None:
    found = finding(test_key.test_key_is_strong, certificate=certificate(GOOD.with_key(rsa_key(2052))), policy=WEBPKI)
    assert "multiple of 8" in found.reason


def test_key_of_an_unreadable_certificate_is_inconclusive() -> None:
    with pytest.raises(UnreadableField, match=r"^Certificate: \w+ is not valid DER"):
        _ = read_certificate(b"garbage").key


@pytest.mark.parametrize(
    ("acl", "exposed"),
    [
        (("group::---", "user:mallory:r--"), "its ACL lets the user mallory read it"),
        (("group::---", "group:staff:rw-"), "its ACL lets the group staff read it"),
        (("group::r--",), "the group staff may read it"),
        (("group::---", "user:nginx:r--", "group:ssl-cert:r--", "user:mallory:---"), None),
    ],
)
def test_users_who_may_read_a_key_are_those_of_its_acl(acl: tuple[str, ...], exposed: str | None) -> None:
    key = replace(key_file(mode=0o640), group="staff", acl=acl)
    if exposed is None:
        assert passes(test_key.test_key_is_private, **private(key))
    else:
        assert exposed in finding(test_key.test_key_is_private, **private(key)).reason


def test_unlisted_acl_is_inconclusive_if_its_mask_gives_rights() -> None:
    unlisted = replace(key_file(mode=0o640), acl=None)
    assert "getfacl" in inconclusive(test_key.test_key_is_private, **private(unlisted)).reason
    assert passes(test_key.test_key_is_private, **private(replace(key_file(mode=0o600), acl=None)))


def test_file_that_is_too_large_to_be_read_is_inconclusive() -> None:
    server = host(certificate_file(), unreadable("key", "too-large", "it has 1099511627776 bytes (limit 1048576)"))
    found = inconclusive(test_installed.test_configured_files_are_there, server=server)
    assert "1099511627776 bytes" in found.reason


def test_file_that_is_not_regular_is_broken() -> None:
    server = host(certificate_file(), unreadable("key", "not-regular", "it is a fifo"))
    assert "is not a regular file" in finding(test_installed.test_configured_files_are_there, server=server).reason


def test_certificate_on_disk_is_valid_up_to_and_including_its_last_second() -> None:
    last = GOOD.ending(NOW)
    seen = observed(served(), server=host(certificate_file(last)))
    facts = {"certificate": certificate(GOOD), "observation": seen}
    assert passes(test_certificate.test_not_expired, now=NOW, **facts)
    assert finding(test_certificate.test_not_expired, now=NOW + timedelta(seconds=1), **facts)


def test_reload_is_the_remedy_up_to_the_last_second_of_what_is_installed() -> None:
    seen = observed(served(), server=host(certificate_file(GOOD.ending(NOW))))
    facts = {"server": seen.server, "observation": seen}
    assert finding(test_installed.test_serves_what_is_installed, now=NOW, **facts).reason.endswith(": reload nginx")
    later = inconclusive(test_installed.test_serves_what_is_installed, now=NOW + timedelta(seconds=1), **facts)
    assert later.reason == "what is installed has expired, and a reload would serve it"


def test_certificate_on_disk_that_begins_right_now_is_not_early() -> None:
    seen = observed(served(), server=host(certificate_file(GOOD.starting(NOW))))
    assert early_unserved(seen, NOW) == []
    assert early_unserved(seen, NOW - timedelta(seconds=1)) == [
        "/etc/tls/www.crt, which is not served yet, is valid only from 2026-11-23 10:00 UTC on"
    ]


def test_successor_ends_later_and_has_all_names_of_the_served_one() -> None:
    expiring = certificate(GOOD.ending(NOW + DAY))
    assert successor(host(certificate_file(RENEWED.ending(NOW + 2 * DAY))), expiring) == "/etc/tls/www.crt"
    assert successor(host(certificate_file(RENEWED.ending(NOW + DAY))), expiring) is None
    other = leaf("other.example.com").by(INTERMEDIATE).ending(NOW + 2 * DAY)
    assert successor(host(certificate_file(other)), expiring) is None
    assert successor(None, expiring) is None


def test_file_with_a_certificate_for_the_name_is_the_covering_one() -> None:
    other = certificate_file(leaf("other.example.com").by(INTERMEDIATE), path="/etc/tls/other.crt")
    assert covering(host(other, certificate_file()), "www.example.com") == "/etc/tls/www.crt"
    assert covering(host(other), "www.example.com") is None
    assert covering(None, "www.example.com") is None


def test_bundle_is_what_follows_the_leaf_and_all_of_a_chain_file() -> None:
    chain = InstalledFile("/etc/tls/chain.crt", "chain", chain_der=(INTERMEDIATE.der,))
    alone = certificate_file(GOOD, path="/etc/tls/leaf.crt")
    assert list(bundles(host(certificate_file(), chain, alone, key_file()))) == [
        ("/etc/tls/www.crt", (INTERMEDIATE.der,)),
        ("/etc/tls/chain.crt", (INTERMEDIATE.der,)),
    ]
    assert list(bundles(None)) == []


def test_panel_service_without_its_certificate_file_has_none_installed() -> None:
    missing = replace(unreadable("certificate", "missing"), path="/var/cpanel/ssl/dovecot/dovecot.crt")
    panel = replace(host(missing, unreadable("key", "missing")), panel_service="dovecot")
    found = finding(test_installed.test_has_certificate_of_its_own, observation=observed(server=panel), policy=WEBPKI)
    assert found.reason == "no certificate is installed: /var/cpanel/ssl/dovecot/dovecot.crt does not exist"
    seen = observed(served(), server=panel)
    assert passes(test_installed.test_has_certificate_of_its_own, observation=seen, policy=WEBPKI)
