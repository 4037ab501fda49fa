"""Tests of the checks of installed files: missing, mismatched, readable by others, and not served."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from audit.analysis.installed_files import bundles, covering, early_unserved, successor, unserved
from audit.checks import test_certificate, test_installed, test_key
from audit.observation import ConfigTest, FileFault, HostView, InstalledFile
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
from tests.support.verdicts import PASS, Row, exempt, fail, require_verdict, unsure, verdicts
from tests.support.x509.certificates import DAY, NOW, leaf, rsa_key

SECOND = timedelta(seconds=1)
RSA = leaf().by(INTERMEDIATE).with_key(rsa_key(2048))
RENEWED = leaf().by(INTERMEDIATE).named("www.example.com", "example.com")
OTHER = leaf("other.example.com").by(INTERMEDIATE).ending(NOW - DAY)


def of(server: HostView, **more: object) -> dict[str, object]:
    """Return the facts of a host that serves the good chain."""
    seen = observed(served(), server=server)
    return {
        "server": server,
        "observation": seen,
        "certificate": certificate(GOOD),
        "policy": WEBPKI,
        "now": NOW,
        **more,
    }


def files(*installed: InstalledFile, **more: object) -> dict[str, object]:
    """Return the facts of a host with these files in the configuration of its service."""
    return of(host(*installed), **more)


def unreadable(kind: str, fault: FileFault, detail: str = "") -> InstalledFile:
    """Return an unreadable file."""
    return InstalledFile(f"/etc/tls/{kind}", kind, fault=fault, detail=detail)  # type: ignore[arg-type] # a table


def acl(*entries: str) -> InstalledFile:
    """Return a key that root and the group staff may read, with an ACL."""
    return replace(key_file(mode=0o640), group="staff", acl=entries)


is_served = test_installed.test_serves_what_is_installed
is_there = test_installed.test_configured_files_are_there
has_own = test_installed.test_has_certificate_of_its_own
no_agent = test_installed.test_no_foreign_agent
is_valid, is_begun = test_certificate.test_not_expired, test_certificate.test_already_valid
fits, is_private, is_strong = (
    test_key.test_key_fits_certificate,
    test_key.test_key_is_private,
    test_key.test_key_is_strong,
)
NOT_THERE = replace(unreadable("certificate", "missing"), path="/var/cpanel/ssl/dovecot/dovecot.crt")
PANEL = replace(host(NOT_THERE, unreadable("key", "missing")), panel_service="dovecot")


@verdicts({
    "served and installed": (is_served, files(certificate_file()), PASS),
    "one of two is served": (is_served, files(certificate_file(RSA, path="/rsa.crt"), certificate_file()), PASS),
    "replaced on disk": (is_served, files(certificate_file(RENEWED)), fail(": reload nginx", remedy=None)),
    "expired on disk": (is_served, files(certificate_file(OTHER.named("www.example.com"))), unsure(
        reason="the installed certificate has expired, and a reload would serve it", because="cert.expired",
    )),
    "another certificate may be served": (
        is_served, of(replace(host(certificate_file(RENEWED)), unread=("for clients",))), unsure("for clients"),
    ),
    "last second on disk": (is_served, files(certificate_file(GOOD.ending(NOW))), fail(": reload nginx")),
    "a second later": (is_served, files(certificate_file(GOOD.ending(NOW)), now=NOW + SECOND), unsure(
        reason="the installed certificate has expired, and a reload would serve it", because="cert.expired",
    )),
    "address of another host": (is_served, files(
        certificate_file(), observation=observed(served(), served(RENEWED, address="198.51.100.1")),
    ), PASS),
    "missing right": (
        is_served, files(unreadable("certificate", "denied", "the folder /etc/tls needs root")), unsure("needs root"),
    ),
    "one file of two is unreadable": (
        is_served, files(certificate_file(RENEWED), unreadable("certificate", "denied")), unsure(),
    ),
    "no configured file": (is_served, files(), exempt()),
    "expired before it is served": (
        is_valid, files(certificate_file(GOOD.ending(NOW - DAY), INTERMEDIATE)),
        fail("is not served yet, expired 2026-11-22"),
    ),
    "early before it is served": (
        is_begun, files(certificate_file(GOOD.starting(NOW + DAY), INTERMEDIATE)),
        fail("is not served yet, is valid only from 2026-11-24"),
    ),
    "last second before it is served": (is_valid, files(certificate_file(GOOD.ending(NOW))), PASS),
    "expired for a second": (is_valid, files(certificate_file(GOOD.ending(NOW)), now=NOW + SECOND), fail()),
    "expired, of another name": (
        is_valid, files(certificate_file(), certificate_file(OTHER, path="/etc/tls/other.crt")), PASS,
    ),
    "not installed by the panel": (has_own, of(PANEL, observation=observed(server=PANEL)), fail(
        reason="no certificate is installed: /var/cpanel/ssl/dovecot/dovecot.crt does not exist",
    )),
    "served, though the panel's file is not there": (has_own, of(PANEL), PASS),
})  # fmt: skip
def test_installed_certificate_is_served_or_found_early(row: Row) -> None:
    require_verdict(row)


@verdicts({
    "all there": (is_there, of(
        replace(host(certificate_file(), key_file()), config_test=ConfigTest("nginx -t", ok=True)),
    ), PASS),
    "the login may not read one": (
        is_there, files(certificate_file(), unreadable("key", "denied", "sudo is needed")), unsure("sudo is needed"),
    ),
    "encrypted key": (
        is_there, files(certificate_file(), replace(key_file(), spki_sha256=None, fault="encrypted")), PASS,
    ),
    "the test of the configuration fails": (is_there, of(
        replace(host(certificate_file()), config_test=ConfigTest("nginx -t", ok=False, detail="unknown directive")),
    ), unsure("unknown directive")),
    "no files": (is_there, files(), exempt()),
    "no files that the login may list": (
        is_there, of(replace(host(), missing_rights=("doveconf needs root",))), unsure("doveconf"),
    ),
    "too large": (
        is_there, files(certificate_file(), unreadable("key", "too-large", "it has 1099511627776 bytes")),
        unsure("1099511627776 bytes"),
    ),
    "not a regular file": (
        is_there, files(certificate_file(), unreadable("key", "not-regular", "it is a fifo")),
        fail("is not a regular file"),
    ),
    **{f"{fault} key, {check.__name__}": (check, files(certificate_file(), unreadable("key", fault)), expected)
       for fault in ("missing", "directory", "unparseable", "empty")
       for check, expected in (
           (is_there, fail("/etc/tls/key")),
           (fits, unsure(because="svc.config-missing-file")),
           (is_private, unsure(because="svc.config-missing-file")),
       )},
    "no agent": (no_agent, files(certificate_file()), PASS),
    "no agent and no file": (no_agent, files(), exempt()),
    "an agent": (no_agent, of(replace(host(certificate_file()), agent="certbot")), fail(observed="certbot")),
})  # fmt: skip
def test_configured_file_is_there_and_usable(row: Row) -> None:
    require_verdict(row)


@verdicts({
    "matching pair": (fits, files(certificate_file(), key_file()), PASS),
    "two pairs in order": (fits, files(
        certificate_file(), key_file(), certificate_file(RSA, path="/r.crt"), key_file(RSA, path="/r.key"),
    ), PASS),
    "exchanged keys": (fits, files(
        certificate_file(), key_file(RSA, path="/r.key"), certificate_file(RSA, path="/r.crt"), key_file(),
    ), fail(remedy="configure")),
    "file that begins with an intermediate": (
        fits, files(certificate_file(INTERMEDIATE, GOOD), key_file()),
        fail("certificate 2 in /etc/tls/www.crt", remedy="configure"),
    ),
    "key without a certificate": (
        fits, files(certificate_file(), key_file(RSA)),
        fail(reason="/etc/tls/www.key is not the key of /etc/tls/www.crt", remedy="reissue"),
    ),
    "no key file": (fits, files(), exempt()),
    "encrypted key": (
        fits, files(certificate_file(), replace(key_file(), spki_sha256=None, fault="encrypted")), unsure("encrypted"),
    ),
    "P-256": (is_strong, files(), PASS),
    **{f"RSA of {bits} bits": (is_strong, files(certificate=certificate(GOOD.with_key(rsa_key(bits)))), expected)
       for bits, expected in (
           (2048, PASS), (3072, PASS), (2052, fail("multiple of 8")),
           (1024, fail(reason="RSA with 1024 bits; at least 2048 are required")),
       )},
})  # fmt: skip
def test_key_fits_its_certificate_and_is_strong(row: Row) -> None:
    require_verdict(row)


GROUP_READ = key_file(mode=0o640)
ACCOUNTS = replace(GROUP_READ, owner="mailnull", group="mail")


@verdicts({
    name: (is_private, files(certificate_file(), key), expected)
    for name, key, expected in (
        ("root alone", key_file(), PASS),
        ("an allowed group", replace(GROUP_READ, group="ssl-cert"), PASS),
        ("the group of the service", replace(GROUP_READ, group="nginx"), PASS),
        ("every user reads", key_file(mode=0o644), fail("every user may read it: treat the key as compromised")),
        ("every user writes", key_file(mode=0o602), fail("every user may write it")),
        ("others may only execute", key_file(mode=0o601), PASS),
        ("a group writes", key_file(mode=0o660), fail("the group root may write it")),
        ("a group reads", replace(GROUP_READ, group="users"), fail("the group users may read it", policy="webpki")),
        ("another owner", replace(key_file(), owner="alice"), fail("it belongs to alice")),
        ("open directory", replace(key_file(), open_folder="/srv"), fail("others may write to the folder /srv")),
        ("accounts of the panel", ACCOUNTS, fail()),
        ("unreadable", unreadable("key", "denied", "needs root"), unsure("needs root")),
        ("unknown mode", key_file(mode=None), unsure()),
        ("ACL of a user", acl("group::---", "user:mallory:r--"), fail("its ACL lets the user mallory read it")),
        ("ACL of a group", acl("group::---", "group:staff:rw-"), fail("its ACL lets the group staff read it")),
        ("ACL of the group", acl("group::r--"), fail("the group staff may read it")),
        ("ACL of allowed users", acl("group::---", "user:nginx:r--", "group:ssl-cert:r--", "user:mallory:---"), PASS),
        ("unlisted ACL", replace(GROUP_READ, acl=None), unsure("getfacl")),
        ("unlisted ACL without rights", replace(key_file(), acl=None), PASS),
    )
} | {
    "accounts of the panel by its policy": (is_private, files(ACCOUNTS, policy=CPANEL), PASS),
    "no key file": (is_private, files(certificate_file()), exempt()),
})  # fmt: skip
def test_key_is_readable_by_allowed_users_only(row: Row) -> None:
    require_verdict(row)


def test_key_of_an_unreadable_certificate_is_inconclusive() -> None:
    with pytest.raises(UnreadableField, match=r"^Certificate: \w+ is not valid DER"):
        _ = read_certificate(b"garbage").key


def test_certificate_on_disk_that_begins_right_now_is_not_early() -> None:
    seen = observed(served(), server=host(certificate_file(GOOD.starting(NOW))))
    assert early_unserved(seen, NOW) == []
    assert early_unserved(seen, NOW - SECOND) == [
        "/etc/tls/www.crt, which is not served yet, is valid only from 2026-11-23 10:00 UTC on"
    ]


def test_successor_ends_later_and_has_all_names_of_the_served_one() -> None:
    expiring = certificate(GOOD.ending(NOW + DAY))
    assert successor(host(certificate_file(RENEWED.ending(NOW + 2 * DAY))), expiring) == "/etc/tls/www.crt"
    assert successor(host(certificate_file(RENEWED.ending(NOW + DAY))), expiring) is None
    assert successor(host(certificate_file(OTHER.ending(NOW + 2 * DAY))), expiring) is None
    assert successor(None, expiring) is None


def test_file_with_a_certificate_for_the_name_is_the_covering_one() -> None:
    other = certificate_file(OTHER, path="/etc/tls/other.crt")
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


def test_no_certificate_is_unserved_without_a_host_or_a_handshake() -> None:
    server = host(certificate_file(OTHER), certificate_file(RENEWED, path="/etc/tls/new.crt"))
    seen = observed(served(), server=server)
    assert [file.path for file, _ in unserved(seen)] == ["/etc/tls/new.crt"]
    assert unserved(replace(seen, server=None)) == unserved(replace(seen, handshakes=())) == ()
