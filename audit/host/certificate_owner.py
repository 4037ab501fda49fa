"""Finds the agent that renews a certificate by its path, and the placeholders that distributions install."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from audit.observation import InstalledFile
from audit.x509.certificate import read_certificate

_OWNERS: Final[tuple[tuple[str, str], ...]] = (
    (r"^/etc/letsencrypt/(live|archive)/|^/var/snap/certbot/", "certbot"),
    (r"/\.acme\.sh/", "acme.sh"),
    (r"/\.lego/|^/var/lib/lego/|^/etc/lego/", "lego"),
    (r"/\.local/share/caddy/|^/var/lib/caddy/|^/data/caddy/", "caddy"),
    (r"^/var/lib/dehydrated/|^/etc/dehydrated/certs/", "dehydrated"),
    (r"^/var/lib/acme/", "acme"),
    (r"^/etc/(apache2|httpd)/md/|^/var/lib/(apache2|httpd)/md/", "mod_md"),
    # the certificates of the panel's own services are whose the host is; what is beside them AutoSSL keeps for sites
    (r"^/var/cpanel/(?!ssl/(cpanel|dovecot|exim|ftp)/[^/]+$)|^/usr/local/cpanel/", "cpanel"),
    (r"^/(usr/local|opt)/psa/", "plesk"),
    (r"^/usr/local/directadmin/|^/etc/virtual/", "directadmin"),
    (r"^/usr/local/(hestia|vesta)/|^/home/[^/]+/conf/(web|mail)/", "hestia"),
    (r"^/etc/pve/|^/var/lib/proxmox", "proxmox"),
)
_PLACEHOLDERS: Final = re.compile(
    r"/ssl-cert-snakeoil\.(pem|key)$"  # Debian's make-ssl-cert; dovecot's and postfix's first configuration use it
    r"|^/etc/pki/tls/certs/(localhost\.crt|exim\.pem|postfix\.pem)$"  # what RHEL's packages make for themselves
    r"|^/etc/pki/(dovecot/certs/dovecot|pure-ftpd/pure-ftpd|vsftpd/vsftpd)\.pem$"
    r"|^/etc/exim4/exim\.crt$|^/etc/dovecot/(private/)?dovecot\.pem$|^/etc/ssl/certs/dovecot\.pem$"
)


def owner_of(files: Iterable[InstalledFile], installed_by_acme_sh: Collection[str]) -> str | None:
    """Return the agent that owns the certificate in one of these files, by its path or the one that leads to."""
    for file in files:
        for path in (file.path, file.real_path or file.path):
            for pattern, agent in _OWNERS:
                if re.search(pattern, path):
                    return agent
            if path in installed_by_acme_sh:  # copied there by `acme.sh --install-cert`, which keeps a list
                return "acme.sh"
    return None


def is_snakeoil(files: Iterable[InstalledFile]) -> bool:
    """Return whether the certificate is a placeholder: it lies where a package puts one, and no CA issued it."""
    return any(
        _PLACEHOLDERS.search(path) and _is_home_made(file.chain_der[0])
        for file in files
        if file.kind == "certificate" and file.chain_der
        for path in (file.path, file.real_path or file.path)
    )


def _is_home_made(der: bytes) -> bool:
    """Return whether a certificate names itself as issuer, or the throw-away CA of RHEL's sscg."""
    certificate = read_certificate(der)
    if not certificate.has_readable("canonical_issuer", "canonical_subject", "issuer_organization"):
        return False
    is_self_issued = certificate.canonical_issuer == certificate.canonical_subject
    return is_self_issued or certificate.issuer_organization == "Unspecified"
