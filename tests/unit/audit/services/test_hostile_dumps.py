"""Tests of configurations with invalid numbers: no reader raises an exception."""

from __future__ import annotations

import re
from typing import Final

import pytest

from audit.services import SERVICES, ConfigDump, Section, Service
from tests.unit.audit.services.test_apache_and_ftp_servers import APACHE, PROFTPD
from tests.unit.audit.services.test_mail_servers import DOVECOT, DOVECOT_24, EXIM, POSTFIX
from tests.unit.audit.services.test_nginx import MAIN, SITES

NUMBERS: Final = ("\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT THREE}", "9" * 5000, "-1", "99999", "0x19", "")
SAMPLES: Final = {
    "nginx": {"dump": MAIN + SITES},
    "apache": {"files": APACHE},
    "haproxy": {
        "files": "# configuration file /etc/haproxy/haproxy.cfg:\nfrontend f\n bind :443-444 ssl crt /1\n bind :80\n"
    },
    "dovecot": {"dump": DOVECOT, "files": DOVECOT_24},
    "exim": {"dump": EXIM, "words": "exim\n-bd\n-oX\n25:587"},
    "postfix": {**POSTFIX, "master": f"{POSTFIX['master']}127.0.0.1:25 inet n - n - - smtpd"},
    "pure-ftpd": {"conf": "TLS 1\nBind 192.0.2.1,21\n", "words": "pure-ftpd\n(SERVER)"},
    "vsftpd": {"files": "# configuration file /etc/vsftpd.conf:\nlisten_port=21\nssl_enable=YES\n"},
    "proftpd": {"files": PROFTPD},
}


@pytest.mark.parametrize("number", NUMBERS, ids=ascii)
@pytest.mark.parametrize("row", SERVICES, ids=lambda row: row.name)
def test_invalid_number_stops_no_reader(row: Service, number: str) -> None:
    for name, text in SAMPLES[row.name].items():
        garbled = SAMPLES[row.name] | {name: re.sub(r"(?<![\w.])[0-9]+(?![\w.])", number, text)}
        dump = ConfigDump({section: Section(content) for section, content in garbled.items()})
        assert all(isinstance(listener.port, int) for listener in row.read(dump))
        assert all(isinstance(site.port, int) for site in row.websites(dump))
