"""Encrypted keys of a real nginx and a real apache, replaced by the command line with or without their encryption."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.hosts.fleet import Fleet, leaf_of, running_fleet
from tests.support.hosts.host import HostFile
from tests.support.hosts.nightly_repair import FOLDER, Night, prepare, rows
from tests.support.hosts.pki import Authority

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

PASSPHRASE: Final = "/etc/ssl/passphrase"
DIALOG: Final = "/etc/ssl/print-passphrase"
KEYS: Final = ("/etc/ssl/nginx/main.key", "/etc/ssl/apache/main.key")
SITE: Final = "/etc/apache2/sites-enabled/000-default.conf"
ENCRYPT: Final = f"""
for key in {" ".join(KEYS)}; do
  openssl pkcs8 -topk8 -v2 aes-256-cbc -in $key -passout file:{PASSPHRASE} -out $key.new
  chmod 600 $key.new
  mv $key.new $key
done
sed -i 's|^http {{|&  ssl_password_file {PASSPHRASE};|' /etc/nginx/nginx.conf
sed -i '1iSSLPassPhraseDialog exec:{DIALOG}' {SITE}
nginx -s reload
apache2ctl graceful
"""


@pytest.fixture(scope="module")
def fleet(overlays: None, authority: Authority) -> Iterator[Fleet]:  # noqa: ARG001 - overlays skips or fails first
    with running_fleet(authority, "nginx", "apache", over_ssh=False) as running:
        passphrase = HostFile(PASSPHRASE, "correct horse battery\n", 0o600)
        running.web1.write(passphrase, HostFile(DIALOG, f"#!/bin/sh\ncat {PASSPHRASE}\n", 0o700))
        yield running


@pytest.fixture(scope="module")
def prepared(fleet: Fleet, authority: Authority) -> Night:
    return prepare(fleet, authority, by_relay=False)


@pytest.fixture(scope="module")
def configuration(fleet: Fleet, prepared: Night) -> str:
    """Return the configuration that says nothing about the encryption of keys."""
    del prepared
    return fleet.web1.read(f"{FOLDER}/sslaudit.toml")


@pytest.fixture
def night(fleet: Fleet, prepared: Night) -> Night:
    """Return the repair of a host whose services have an encrypted key and an expired certificate."""
    fleet.begin_again()
    fleet.web1.shell(f"{ENCRYPT}\nrm -rf {FOLDER}/state")
    return prepared


def configure(fleet: Fleet, configuration: str, mode: str) -> None:
    decided = f'[remediate]\nkey_encryption = "{mode}"\nkey_passphrase_on_host = "{PASSPHRASE}"'
    fleet.web1.write(HostFile(f"{FOLDER}/sslaudit.toml", configuration.replace("[remediate]", decided)))


def headers(fleet: Fleet) -> list[str]:
    """Return the first line of each key file."""
    return fleet.web1.shell(f"head -q -n 1 {' '.join(KEYS)}").splitlines()


def test_plan_asks_for_a_decision_and_names_a_service_that_prompts(
    fleet: Fleet, night: Night, configuration: str
) -> None:
    fleet.web1.write(HostFile(f"{FOLDER}/sslaudit.toml", configuration))
    undecided = night.run(mode="--remediate-dry-run")
    for key in KEYS:
        assert f"  waits         {key} is encrypted, and [remediate] key_encryption is not set\n" in undecided.output
    configure(fleet, configuration, "keep")
    fleet.web1.shell(
        f"sed -i /SSLPassPhraseDialog/d {SITE}; sed -i 's/ssl_password_file[^;]*;//' /etc/nginx/nginx.conf"
    )
    prompted = night.run(mode="--remediate-dry-run")
    waits = [line.split(maxsplit=1)[1] for line in prompted.output.splitlines() if line.startswith("  waits ")]
    why = "its service prompts a person for the passphrase: no reload can load another"
    assert set(waits) >= {f"{key} is encrypted, and {why}" for key in KEYS}


@pytest.mark.parametrize(
    ("mode", "header"), [("keep", "-----BEGIN ENCRYPTED PRIVATE KEY-----"), ("drop", "-----BEGIN PRIVATE KEY-----")]
)
def test_new_key_has_the_encryption_that_is_configured(
    fleet: Fleet, night: Night, configuration: str, mode: str, header: str
) -> None:
    configure(fleet, configuration, mode)
    pid = fleet.web1.shell("cat /run/apache2/apache2.pid")
    with fleet.watching() as watch:
        run = night.run()
        assert watch.saw_no_gap(is_replaced=True)
    assert {row["outcome"] for row in rows(run, "remediation")} == {"proven"}, run.output
    assert headers(fleet) == [header, header]
    assert len(fleet.leaves() - {leaf_of(fleet.planted.old)}) == 1
    assert fleet.web1.shell("cat /run/apache2/apache2.pid") == pid, "apache was not started anew"
    plain = "find /var/lib/sslaudit -type f -exec grep -l -e '-BEGIN PRIVATE KEY-' {} +"
    assert (fleet.web1.run("sh", "-c", plain).stdout == "") == (mode == "keep")
    assert "correct horse" not in run.output
