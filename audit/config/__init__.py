"""Reads what the user configured: the configuration file, the secrets it points to, anchors and logins.

This package reads files. It opens no connection and logs into no host.
"""

from __future__ import annotations

from audit.config.ct_logs import read_ct_logs
from audit.config.loader import profile_named, read_configuration, read_waivers
from audit.config.logins import extension_services, host_of, login_limits, logins
from audit.config.private_files import state_folder
from audit.config.schema import BadConfiguration, Configuration, Secret
from audit.config.secret import known_secrets, read_secret, require_private_secrets
from audit.config.sections import ConfigSection, section, subsections
from audit.config.trust_sources import digest_of_source, read_anchors, trusted

__all__ = [
    "BadConfiguration",
    "ConfigSection",
    "Configuration",
    "Secret",
    "digest_of_source",
    "extension_services",
    "host_of",
    "known_secrets",
    "login_limits",
    "logins",
    "profile_named",
    "read_anchors",
    "read_configuration",
    "read_ct_logs",
    "read_secret",
    "read_waivers",
    "require_private_secrets",
    "section",
    "state_folder",
    "subsections",
    "trusted",
]
