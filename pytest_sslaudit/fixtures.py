"""The facts as fixtures, for the built-in checks and for the tests of users.

A test that uses one of them is parametrized over the endpoints.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from audit.analysis.key_reuse import Sharing
from audit.endpoint import Endpoint
from audit.evaluation.facts import Facts
from audit.evaluation.run import AuditRun
from audit.observation import Handshake, HostView, Observation
from audit.policy import Policy
from audit.x509.certificate import Certificate
from audit.x509.path.served_chain import Chain
from audit.x509.transparency.log_list import LogList
from pytest_sslaudit.run_state import current_run

OURS = "endpoint"
FACTS = (
    "endpoint",
    "sslaudit_facts",
    "observation",
    "handshake",
    "certificate",
    "chain",
    "chains",
    "server",
    "policy",
    "now",
    "audit_run",
    "key_sharing",
    "has_list_of_keys",
    "log_list",
)


@pytest.fixture(scope="session")
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Return one endpoint of the run."""
    value: Endpoint = request.param
    return value


@pytest.fixture(scope="session")
def sslaudit_facts(endpoint: Endpoint, request: pytest.FixtureRequest) -> Facts:
    """Return all facts of the endpoint."""
    return current_run(request.config).facts_of(endpoint)


@pytest.fixture(scope="session")
def observation(sslaudit_facts: Facts) -> Observation:
    """Return the observation of the endpoint."""
    return sslaudit_facts.observation


@pytest.fixture(scope="session")
def handshake(sslaudit_facts: Facts) -> Handshake:
    """Return the first TLS handshake; inconclusive if there was none."""
    return sslaudit_facts.handshake


@pytest.fixture(scope="session")
def certificate(sslaudit_facts: Facts) -> Certificate:
    """Return the leaf as served."""
    return sslaudit_facts.certificate


@pytest.fixture(scope="session")
def chain(sslaudit_facts: Facts) -> Chain:
    """Return the chain as served, and the path to a trust anchor."""
    return sslaudit_facts.chain


@pytest.fixture(scope="session")
def chains(sslaudit_facts: Facts) -> tuple[Chain, ...]:
    """Return every distinct chain that an address of the endpoint serves."""
    return sslaudit_facts.chains


@pytest.fixture(scope="session")
def server(sslaudit_facts: Facts) -> HostView:
    """Return the view from inside the host; not applicable if the audit did not log into the host."""
    return sslaudit_facts.server


@pytest.fixture(scope="session")
def policy(sslaudit_facts: Facts) -> Policy:
    """Return the policy that applies to the endpoint."""
    return sslaudit_facts.policy


@pytest.fixture(scope="session")
def now(endpoint: Endpoint, request: pytest.FixtureRequest) -> datetime:  # noqa: ARG001 - the same for every endpoint
    """Return the time at which certificates are judged."""
    return current_run(request.config).now


@pytest.fixture(scope="session")
def key_sharing(certificate: Certificate, request: pytest.FixtureRequest) -> Sharing:
    """Return how far the key of the leaf is shared in this run."""
    return current_run(request.config).sharing_of(certificate.spki_sha256)


@pytest.fixture(scope="session")
def has_list_of_keys(request: pytest.FixtureRequest) -> bool:
    """Return whether this machine has a list of compromised keys."""
    return current_run(request.config).evaluation.has_list_of_keys


@pytest.fixture(scope="session")
def log_list(request: pytest.FixtureRequest) -> LogList | None:
    """Return the certificate transparency logs; None if the configuration names no list."""
    return current_run(request.config).evaluation.log_list


@pytest.fixture(scope="session")
def audit_run(endpoint: Endpoint, request: pytest.FixtureRequest) -> AuditRun:  # noqa: ARG001 - judged for `run/`
    """Return the facts of the run itself."""
    return current_run(request.config).about_itself()
