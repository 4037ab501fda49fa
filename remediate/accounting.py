"""From the configuration to whom a run tells: readers, the ways to them, and the secrets to be kept out of letters.

It connects nowhere; a password is read when a server asks for it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

from audit.configuration import BadConfiguration, Configuration, Secret, known_secrets, read_secret
from remediate.account import Account
from remediate.assignment import Assignment
from remediate.posts import is_asked, posts_of
from remediate.relay import BadRelay


def account_of(assignment: Assignment) -> Account | None:
    """Return whom a run tells, None where the configuration has no `[mail]`; raises BadConfiguration."""
    configuration = assignment.configuration
    mail = configuration.mail
    if not is_asked(mail):
        return None
    ca_file = str(configuration.path(mail.ca_file)) if mail.ca_file else None
    try:
        posts = posts_of(replace(mail, ca_file=ca_file), _password(configuration, mail.password))
    except BadRelay as error:
        raise BadConfiguration(f"{configuration.file}: [mail]: {error}") from error
    return Account(
        controller=socket.getfqdn(),
        version=version("pytest-sslaudit"),
        posts=posts,
        to=mail.to,
        from_=mail.from_,
        secrets=known_secrets(configuration),
        fail_on=assignment.fail_on,
        unknown_fails=assignment.unknown_fails,
    )


def _password(configuration: Configuration, secret: Secret | None) -> Callable[[], str] | None:
    if secret is None:
        return None
    read_secret(configuration, "mail.password", secret)  # it is said now that it is not there
    return lambda: read_secret(configuration, "mail.password", secret)
