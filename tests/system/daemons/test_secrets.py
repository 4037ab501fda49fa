"""Passwords in the configuration of real servers, whose values are on the next line, do not leave the host."""

from __future__ import annotations

import re
from typing import Final

import pytest

from audit.host.script import composed, inspection_script, read_sections
from audit.services import LAYOUTS, SERVICES
from tests.support.hosts.pki import Authority
from tests.support.hosts.real_lab import NAMES, running_lab, sound

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

SECRET: Final = "hunter2"
PLANTED: Final = r"""
sed -i 's|^http {|http { proxy_set_header Authorization\n  "Basic nginx-hunter2";|' /etc/nginx/nginx.conf
printf '%s\n' 'SetEnv DB_PASSWORD \' '  apache-hunter2' >>/etc/apache2/sites-enabled/000-default.conf
printf '%s\n' 'hide mysql_password = \' '  exim-hunter2' >>/etc/exim4/exim4.conf
printf '%s\n' 'ldap_password = \' '  dovecot-hunter2 {' >>/etc/dovecot/conf.d/10-ssl.conf
chmod 666 /etc/exim4/exim4.conf; touch /etc/dovecot/conf.d/open.conf; chmod 666 /etc/dovecot/conf.d/open.conf
nginx -t && apache2ctl -t
"""
"""A file of exim's and of dovecot's that every user can change lets the audit read the files in place of a dump."""


def test_value_on_the_next_line_does_not_leave_the_host(authority: Authority) -> None:
    with running_lab(authority, sound(authority), "main") as lab:
        host = lab.hosts["main"]
        host.shell(PLANTED)
        result = host.do("sh", "-c", composed(inspection_script(SERVICES, LAYOUTS), "WORD"))
    assert SECRET not in result
    named = {name: one.text for name, one in read_sections("WORD", result).items()}
    for service, setting in (("nginx", "Authorization"), ("apache", "DB_PASSWORD")):
        (text,) = (text for name, text in named.items() if re.fullmatch(rf"{service}#\d+\.(dump|files|config)", name))
        assert re.search(rf"{setting}\s*\\?\s*\(hidden\)", text), text
        assert NAMES["main"].second in text
