"""Keys with a private half that others can have, and keys that only look odd."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import badkeys
import gmpy2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

from audit.checks import test_key
from audit.x509 import compromised_keys
from audit.x509.certificate import Certificate
from audit.x509.compromised_keys import ATTACKS, Flaws, flaws_of
from audit.x509.public_keys import read_key, rsa_facts
from tests.support.checkout import CHECKOUT
from tests.support.endpoint_facts import INTERMEDIATE, certificate
from tests.support.verdicts import finding, inconclusive, not_applicable, passes
from tests.support.x509.certificates import PrivateKey, key_named, leaf, rsa_key
from tests.support.x509.compromised_keys import close_primes, roca_modulus, small_exponent, with_factor

ASK = """
import os, sys
from audit.x509 import compromised_keys
from audit.x509.public_keys import KeyFacts, rsa_facts
from audit.config.trust_sources import has_key_list

for line in sys.stdin:
    kind, number, os.environ["XDG_CACHE_HOME"] = line.rstrip().split(maxsplit=2)
    for name in [name for name in sys.modules if name.partition(".")[0] == "badkeys"]:
        del sys.modules[name]  # the library keeps what it has read
    compromised_keys._library.cache_clear()
    compromised_keys._check_key.cache_clear()
    key = rsa_facts(int(number), 65537) if kind == "RSA" else KeyFacts(kind, number=int(number))
    flaws = compromised_keys.flaws_of(key, has_list=has_key_list())
    unknown = ("unread", flaws.unread) if flaws.unread else ("unchecked", flaws.unchecked) if flaws.unchecked else ()
    print(has_key_list(), *flaws.found, *unknown, sep="|")
"""


def of_key(key: PrivateKey) -> Certificate:
    """Return the facts of a leaf with that key."""
    return certificate(leaf().with_key(key).by(INTERMEDIATE))


def test_sound_key_passes() -> None:
    assert passes(test_key.test_key_is_secret, certificate=of_key(rsa_key(2048)), has_list_of_keys=False)


def test_factorable_key_is_a_finding_without_its_factors() -> None:
    found = finding(test_key.test_key_is_secret, certificate=of_key(close_primes()), has_list_of_keys=False)
    assert found.reason == ATTACKS["fermat"]
    assert str(close_primes().private_numbers().p) not in f"{found.reason} {found.observed} {found.required}"


def test_each_way_to_the_private_key_is_named() -> None:
    assert flaws_of(rsa_facts(roca_modulus(), 65537), has_list=False) == Flaws((ATTACKS["roca"],))
    assert flaws_of(rsa_facts(*small_exponent()), has_list=False) == Flaws((ATTACKS["smalld"],))
    assert flaws_of(rsa_facts(with_factor(65521), 65537), has_list=False) == Flaws((ATTACKS["smallfactors"],))


def test_prime_modulus_is_found() -> None:
    prime = int(gmpy2.next_prime(1 << 2047))
    assert flaws_of(rsa_facts(prime, 65537), has_list=False).found[0].startswith("the modulus is a prime")


def test_library_has_every_attack_by_its_name() -> None:
    assert set(ATTACKS) <= set(badkeys.allchecks)


@pytest.mark.parametrize(
    ("modulus", "exponent"), [(-7 << 2000 | 1, 3), (1, 1), (5, 3), (0, 0), (-1, -1), ((1 << 512) + 1, 1 << 600)]
)
def test_data_that_is_not_a_key_raises_no_exception(modulus: int, exponent: int) -> None:
    assert isinstance(flaws_of(rsa_facts(modulus, exponent), has_list=False), Flaws)


def test_elliptic_curve_key_is_not_applicable_without_a_list() -> None:
    ended = not_applicable(test_key.test_key_is_secret, certificate=certificate(leaf()), has_list_of_keys=False)
    assert "EC P-256" in ended.reason


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "badkeys", None)
    compromised_keys._library.cache_clear()
    yield
    compromised_keys._library.cache_clear()


@pytest.mark.usefixtures("without_library")
def test_missing_library_names_how_to_install_it() -> None:
    ended = not_applicable(test_key.test_key_is_secret, certificate=of_key(rsa_key(2048)), has_list_of_keys=True)
    assert "pip install 'pytest-sslaudit[keys]'" in ended.reason


@pytest.mark.usefixtures("without_library")
def test_small_factor_is_found_without_the_library() -> None:
    assert "factor below 752" in flaws_of(rsa_facts(with_factor(751), 65537), has_list=False).found[0]


def test_list_that_was_removed_is_reported_without_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    flaws = flaws_of(read_key(key_named("an unknown key").public_key()), has_list=True)
    assert flaws.found == ()
    assert flaws.unread or flaws.unchecked


def write_list(folder: Path, *numbers: int, names: str = '"name": "weak-of-tests"') -> None:
    """Write a list of known keys as the library keeps it: sorted digests, cut to 15 octets, and the list's number."""
    (folder / "badkeys").mkdir(parents=True)
    digests = sorted(hashlib.sha256(n.to_bytes((n.bit_length() + 7) // 8)).digest()[:15] for n in numbers)
    (folder / "badkeys" / "blocklist.dat").write_bytes(b"".join(digest + b"\x07" for digest in digests))
    lists = json.loads(f'[{{"id": 7, {names}}}]')
    (folder / "badkeys" / "badkeysdata.json").write_text(json.dumps({"bkformat": 0, "blocklists": lists}))


def looked_up(*keys: tuple[Path, str, int]) -> list[str]:
    """Look each key up in the list of a directory, all in a process of their own, which loads the library anew."""
    given = "".join(f"{kind} {number} {folder}\n" for folder, kind, number in keys)
    words, path = (sys.executable, "-W", "error", "-c", ASK), {"PYTHONPATH": str(CHECKOUT)}
    process = subprocess.run(words, input=given, env=path, capture_output=True, text=True, check=True, timeout=60)
    assert process.stderr == "" or "ERROR" in process.stderr
    return process.stdout.splitlines()


def test_key_on_the_list_of_the_user_is_found_whatever_its_type(tmp_path: Path) -> None:
    modulus = rsa_key(2048).public_key().public_numbers().n
    point = key_named("known to all").public_key().public_numbers().x
    edwards = read_key(ed25519.Ed25519PrivateKey.generate().public_key()).number
    goldilocks = read_key(ed448.Ed448PrivateKey.generate().public_key()).number
    assert edwards
    assert goldilocks
    write_list(tmp_path, modulus, point, edwards, goldilocks)
    numbers = (("RSA", modulus), ("EC", point), ("Ed25519", edwards), ("Ed448", goldilocks), ("EC", point + 1))
    known = "True|it is on the list of known keys, as weak-of-tests"
    assert looked_up(*((tmp_path, kind, number) for kind, number in numbers)) == [*[known] * 4, "True"]


def test_missing_list_is_not_read_and_an_unreadable_one_passes_no_key(tmp_path: Path) -> None:
    broken = (("blocklist.dat", b""), ("badkeysdata.json", b"{"), ("badkeysdata.json", b"[]"))
    folders = [tmp_path / str(number) for number in range(len(broken))]
    for folder, (name, content) in zip(folders, broken, strict=True):
        write_list(folder, 1 << 255)
        (folder / "badkeys" / name).write_bytes(content)
    (empty := tmp_path / "empty").mkdir()
    modulus = rsa_key(2048).public_key().public_numbers().n
    missing, *unread = looked_up((empty, "RSA", modulus), *((folder, "EC", 1 << 254) for folder in folders))
    assert (missing, list(empty.iterdir())) == ("False", [])  # and no list is fetched
    assert [text.startswith("True|unread|") for text in unread] == [True] * len(broken), unread


def test_key_is_inconclusive_if_the_list_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_key, "flaws_of", lambda _key, *, has_list: Flaws(unread=f"JSONDecodeError {has_list}"))
    ended = inconclusive(test_key.test_key_is_secret, certificate=of_key(rsa_key(2048)), has_list_of_keys=True)
    assert ended.reason == "badkeys cannot read its list of known keys: JSONDecodeError True"
