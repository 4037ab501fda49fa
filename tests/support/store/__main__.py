"""`python -m tests.support.store`: test a Store at any URL. docs/store-api.md describes it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("remote_suite.py")


def main() -> int:
    """Run the suite and return the exit status of pytest."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.store", description=__doc__)
    parser.add_argument("--base-url", required=True, help="what [issuer.NAME] base_url is; STORE_TOKEN is the token")
    parser.add_argument("--name", required=True, help="a name that the Store accepts and that serves no token")
    parser.add_argument("--valid-name", default="", help="a name whose website on port 80 serves --docroot")
    parser.add_argument("--docroot", default="", help="the directory; with it one certificate is ordered and issued")
    parser.add_argument(
        "--trust", default="mozilla", help="the anchors of the certificate: mozilla, system or a PEM file"
    )
    parser.add_argument("--wait", type=float, default=600.0, metavar="S", help="how long to wait for the certificate")
    parser.add_argument("--product", default="90-day")
    parser.add_argument("--ca-file", default="", help="PEM file of the anchors to trust instead of Mozilla's")
    options = parser.parse_args()
    if not os.environ.get("STORE_TOKEN"):
        parser.error("the variable STORE_TOKEN is empty; it is the token of the Store")
    if bool(options.docroot) != bool(options.valid_name):
        parser.error("--valid-name and --docroot belong together")
    names = {
        "URL": options.base_url,
        "NAME": options.name,
        "VALID_NAME": options.valid_name,
        "DOCROOT": options.docroot,
        "TRUST": options.trust,
        "WAIT_S": str(options.wait),
        "PRODUCT": options.product,
        "CA_FILE": options.ca_file,
    }
    os.environ |= {f"STORE_{name}": value for name, value in names.items()}
    pytest.register_assert_rewrite("tests.support.store.conformance", "tests.support.store.wire_rules")
    # the conftest.py of the tests moves them into a network of their own
    return pytest.main([str(SUITE), "--noconftest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rs"])


if __name__ == "__main__":
    sys.exit(main())
