"""What the user has written down: the configuration file, the secrets it points to, anchors and logins.

It reads files; it opens no connection and logs in nowhere.
"""

from __future__ import annotations

from audit.configuration.logins import host_of, logins
from audit.configuration.profiles import profile_named
from audit.configuration.reading import read_configuration
from audit.configuration.schema import BadConfiguration, Configuration, Secret
from audit.configuration.secret import known_secrets, read_secret
from audit.configuration.state import state_folder
from audit.configuration.trust import read_anchors, trusted

__all__ = [
    "BadConfiguration",
    "Configuration",
    "Secret",
    "host_of",
    "known_secrets",
    "logins",
    "profile_named",
    "read_anchors",
    "read_configuration",
    "read_secret",
    "state_folder",
    "trusted",
]
