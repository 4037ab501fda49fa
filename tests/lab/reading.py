"""Readers of the lab's files: the place of each service of the host, by its endpoint id."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace

from audit.endpoint import Endpoint, parse_endpoint
from tests.lab.faults import HOST, HOST_LABEL


def host_endpoints(configuration: str) -> Mapping[str, Endpoint]:
    """Return by id where the services of the host can be connected to from outside, the first address of each."""
    urls = [service["endpoints"][0] for service in tomllib.loads(configuration)["service"]]
    return {_id(endpoint): endpoint for endpoint in map(parse_endpoint, urls)}


def _id(endpoint: Endpoint) -> str:
    return str(replace(endpoint, address=None, host=HOST_LABEL, hostspec=HOST))
