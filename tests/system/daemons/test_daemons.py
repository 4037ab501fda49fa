"""The lab itself: every server starts from its package's own configuration and serves what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from cryptography import x509

from tests.support.hosts.daemons import DAEMONS, Daemon, Names
from tests.support.hosts.host import Host, running_host
from tests.support.hosts.openssl_client import served, wait_until
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.real_lab import serve

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAMES: Final = Names("web1.example.test", "www.example.test")


def leaf_of(credential: Credential) -> x509.Certificate:
    return x509.load_pem_x509_certificate(credential.certificate.encode())


@pytest.fixture(params=DAEMONS, ids=lambda daemon: daemon.name)
def daemon(request: pytest.FixtureRequest) -> Daemon:
    chosen: Daemon = request.param
    return chosen


@pytest.fixture
def host(daemon: Daemon) -> Iterator[Host]:
    with running_host(daemon.overlay, NAMES.main) as running:
        yield running


def test_daemon_sends_leaf_and_intermediate_on_every_port(daemon: Daemon, host: Host, authority: Authority) -> None:
    main, second = authority.issue(NAMES.main), authority.issue(NAMES.second)
    serve(host, daemon, NAMES, (main, second))
    expected = [leaf_of(main), authority.intermediate.certificate]
    for port in daemon.ports:
        assert list(served(host, port, NAMES.main)) == expected
    for port, word in daemon.starttls:
        assert list(served(host, port, NAMES.main, word)) == expected


@pytest.mark.parametrize("daemon", [daemon for daemon in DAEMONS if daemon.has_second], ids=lambda daemon: daemon.name)
def test_daemon_that_supports_sni_serves_a_second_certificate(daemon: Daemon, host: Host, authority: Authority) -> None:
    main, second = authority.issue(NAMES.main), authority.issue(NAMES.second)
    serve(host, daemon, NAMES, (main, second))
    assert served(host, daemon.ports[0], NAMES.second)[0] == leaf_of(second)


def test_replaced_certificate_is_served_at_once_or_after_the_reload(
    daemon: Daemon, host: Host, authority: Authority
) -> None:
    old, new, second = authority.issue(NAMES.main), authority.issue(NAMES.main), authority.issue(NAMES.second)
    serve(host, daemon, NAMES, (old, second))
    port, word = [*((port, None) for port in daemon.ports), *daemon.starttls][0]
    assert served(host, port, NAMES.main, word)[0] == leaf_of(old)
    host.write(*daemon.files(new, second))
    at_once = served(host, port, NAMES.main, word)[0]
    assert at_once == leaf_of(new if daemon.reload is None else old)
    if daemon.reload:
        host.shell(daemon.reload)
        assert wait_until(lambda: served(host, port, NAMES.main, word)[:1] == (leaf_of(new),))
