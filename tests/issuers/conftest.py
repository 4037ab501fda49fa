"""Lets the assertions of the conformance suite, which is no test module itself, tell what they saw."""

import pytest

pytest.register_assert_rewrite("tests.issuers.conformance")
