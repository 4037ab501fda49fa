"""A policy profile as the configuration or the command line names it: a built-in one, or a file."""

from __future__ import annotations

from audit.configuration.schema import Configuration
from audit.policy import Profile, load_profile


def profile_named(name: str, configuration: Configuration) -> Profile:
    """Return the profile of that name, or in that file, which is relative to the configuration's; raises BadProfile."""
    return load_profile(str(configuration.path(name)) if name.endswith(".toml") else name)
