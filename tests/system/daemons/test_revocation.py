"""Revocation with other software: OpenSSL's responder and CRL over HTTP, and responses that nginx and Apache staple."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.endpoint import parse_endpoint
from pytest_sslaudit.evidence import EvidenceStore
from tests.lab.revocation import access, pointing
from tests.support.hosts.audit_run import AuditRun, audit, trust
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority
from tests.support.x509.ca import Identity, Leaf, issue

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

DAY: Final = timedelta(days=1)
DOMAIN: Final = "example.test"
DELEGATED, BY_KEY, BY_CA, GONE, CLOSED = 8081, 8082, 8083, 8084, 9
"""The ports of OpenSSL's responders: two with certificates of the CA, the CA itself, one that stops, a closed port."""

CRL: Final = "http://127.0.0.1/ca.crl"
HOME: Final = "/root/ca"


@dataclass(frozen=True, slots=True)
class Case:
    """A certificate: the source of its status, the record of the CA, and the expected result."""

    ocsp: int = 0
    crl: str = ""
    noted: str = "V"
    reason: str = ""
    verdict: str = "pass"
    says: str = ""
    remedy: str = "none"
    staples: str = ""  # by whom: nginx of its own, from a file, or apache

    @property
    def port(self) -> int:
        """Where it is served."""
        return 8443 if self.staples == "apache" else 443


REVOKED: Final = Case(noted="R", verdict="fail", says="was revoked", remedy="reissue")
CASES: Final = {
    "delegated": Case(DELEGATED),
    "by-key": Case(BY_KEY),
    "by-ca": Case(BY_CA),
    "revoked": Case(DELEGATED, noted="R", reason="superseded", verdict="fail", remedy="reissue",
                    says="(superseded), according to the OCSP responder http://127.0.0.1:8081/"),
    "revoked-key": Case(BY_KEY, noted="R", reason="keyCompromise", verdict="fail", remedy="rekey",
                        says="(keyCompromise), according to the OCSP responder"),
    "unknown": Case(DELEGATED, noted="", verdict="inconclusive", says="the responder does not know the certificate"),
    "closed": Case(CLOSED, verdict="inconclusive", says="http://127.0.0.1:9/: 127.0.0.1: connection refused"),
    "listed": Case(crl=CRL, noted="R", reason="keyCompromise", verdict="fail", remedy="rekey",
                   says=f"(keyCompromise), according to the CRL {CRL}"),
    "unlisted": Case(crl=CRL),
    "missing": Case(crl="http://127.0.0.1/missing.crl", verdict="inconclusive", says="the server returns 404"),
    "crl-missing": Case(DELEGATED, "http://127.0.0.1/missing.crl"),
    "stapled": Case(GONE, staples="nginx"),
    "stapled-revoked": Case(GONE, noted="R", reason="superseded", verdict="fail", remedy="reissue", staples="file",
                            says="(superseded), according to the stapled response"),
    "stapled-apache": Case(GONE, staples="apache"),
}  # fmt: skip


def pem(identity: Identity) -> str:
    return identity.certificate.public_bytes(Encoding.PEM).decode()


def key_of(identity: Identity) -> str:
    return identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certified(authority: Authority, name: str, case: Case) -> Identity:
    reported: list[x509.ExtensionType] = [pointing(case.crl)] if case.crl else []
    reported += [access("http://127.0.0.1/ca.cer", f"http://127.0.0.1:{case.ocsp}/")] if case.ocsp else []
    leaf = Leaf(f"{name}.{DOMAIN}", (f"{name}.{DOMAIN}",), authority.now - DAY, extra=tuple(reported))
    return issue(leaf, authority.intermediate)


def index_line(identity: Identity, case: Case) -> str:
    """Return the line of a certificate in the list that `openssl ca` keeps (openssl-ca(1), index.txt)."""
    end, revoked = (f"{when:%y%m%d%H%M%SZ}" for when in (identity.certificate.not_valid_after_utc, datetime.now(UTC)))
    why = f"{revoked},{case.reason}" if case.noted == "R" else ""
    serial = f"{identity.certificate.serial_number:040X}"
    return f"{case.noted}\t{end}\t{why}\t{serial}\tunknown\t/CN={serial}\n"


def nginx(names: list[str]) -> HostFile:
    site = """
  server {{ listen 443 ssl; server_name {name}.example.test;
    ssl_certificate /etc/ssl/{name}.crt; ssl_certificate_key /etc/ssl/{name}.key; {staple} return 200 "ok\\n"; }}"""
    of_its_own = "ssl_stapling on; ssl_trusted_certificate /root/ca/ca.pem;"
    of_file = "ssl_stapling on; ssl_stapling_file /root/ca/staple.der;"
    staples = {"nginx": of_its_own, "file": of_file}
    sites = "".join(site.format(name=name, staple=staples.get(CASES[name].staples, "")) for name in names)
    docroot = "\n  server { listen 80; root /srv/ca; }"
    top = "user www-data;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log /var/log/nginx/error.log;\n"
    return HostFile("/etc/nginx/nginx.conf", f"{top}events {{}}\nhttp {{\n  access_log off;{docroot}{sites}\n}}\n")


APACHE: Final = (
    HostFile("/etc/apache2/ports.conf", "Listen 8443\n"),
    HostFile(
        "/etc/apache2/sites-enabled/000-default.conf",
        """ServerName stapled-apache.example.test
SSLStaplingCache "shmcb:/var/run/apache2/stapling(65536)"
<VirtualHost *:8443>
  ServerName stapled-apache.example.test
  SSLEngine on
  SSLUseStapling on
  SSLCertificateFile /etc/ssl/stapled-apache.crt
  SSLCertificateKeyFile /etc/ssl/stapled-apache.key
</VirtualHost>
""",
    ),
    HostFile(
        "/etc/apache2/mods-enabled/lab.load",
        "LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so\n"
        "LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\n",
    ),
)
CONFIGURATION: Final = f"""[ca]
default_ca = lab
[lab]
database = {HOME}/index.txt
crlnumber = {HOME}/crlnumber
unique_subject = no
default_md = sha256
default_crl_days = 1
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid:always
"""


def responder(host: Host, port: int, signer: str, *options: str) -> None:
    """Start OpenSSL's responder."""
    command = f"openssl ocsp -index {HOME}/index.txt -port {port} -CA {HOME}/ca.pem {' '.join(options)}"
    files = f"-rsigner {HOME}/{signer}.pem -rkey {HOME}/{signer}.key"
    host.shell(f"{command} {files} >/run/ocsp-{port}.log 2>&1 & echo $! >/run/ocsp-{port}.pid")
    host.wait_for(port)


def is_stapled(host: Host, name: str) -> bool:
    argv = ("-connect", f"127.0.0.1:{CASES[name].port}", "-servername", f"{name}.{DOMAIN}", "-status")
    return "OCSP Response Status: successful" in host.run("timeout", "5", "openssl", "s_client", *argv).stdout


def found(host: Host, authority: Authority) -> None:
    """Make the CA and its certificates on a host."""
    leaves = {name: certified(authority, name, case) for name, case in CASES.items()}
    usages = (ExtendedKeyUsageOID.OCSP_SIGNING,)
    delegate = issue(Leaf("Real Lab Responder", (), authority.now - DAY, usages=usages), authority.intermediate)
    signers = {"ca": authority.intermediate, "responder": delegate}
    index = "".join(index_line(leaves[name], case) for name, case in CASES.items() if case.noted)
    host.write(
        HostFile(f"{HOME}/index.txt", index),
        HostFile(f"{HOME}/crlnumber", "01\n"),
        HostFile(f"{HOME}/ca.cnf", CONFIGURATION),
        *(HostFile(f"{HOME}/{name}.pem", pem(one)) for name, one in signers.items()),
        *(HostFile(f"{HOME}/{name}.key", key_of(one), 0o600) for name, one in signers.items()),
        *(HostFile(f"/etc/ssl/{name}.crt", pem(one) + pem(authority.intermediate)) for name, one in leaves.items()),
        *(HostFile(f"/etc/ssl/{name}.key", key_of(one), 0o600) for name, one in leaves.items()),
    )
    host.shell(
        f"mkdir -p /srv/ca; cd {HOME}; chmod 755 /root {HOME};"
        "openssl ca -gencrl -config ca.cnf -keyfile ca.key -cert ca.pem -out ca.crl.pem;"
        "openssl crl -in ca.crl.pem -outform DER -out /srv/ca/ca.crl;"
        "openssl ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 1 -issuer ca.pem"
        " -cert /etc/ssl/stapled-revoked.crt -respout staple.der -noverify"
    )


@pytest.fixture(scope="module")
def host(authority: Authority) -> Iterator[Host]:
    with running_host("main", f"web1.{DOMAIN}") as running:
        found(running, authority)
        responder(running, DELEGATED, "responder", "-nmin", "60")
        responder(running, BY_KEY, "responder", "-nmin", "60", "-resp_key_id", "-rmd", "sha384")
        responder(running, BY_CA, "ca")  # which does not say how long its answers hold
        responder(running, GONE, "responder", "-nmin", "60")
        running.write(nginx([name for name, case in CASES.items() if case.port == 443]), *APACHE)
        running.shell("nginx; apache2ctl start")
        running.wait_for(80, 443, 8443)
        for name in (name for name, case in CASES.items() if case.staples):
            assert wait_until(lambda name=name: is_stapled(running, name)), name  # type: ignore[misc]  # is bound here
        running.shell(f"kill $(cat /run/ocsp-{GONE}.pid)")
        yield running


@pytest.fixture(scope="module")
def run(host: Host, authority: Authority) -> AuditRun:
    host.write(HostFile("/root/sslaudit.toml", "[fetch]\nallow_private = true\n"))
    host.shell("openssl genpkey -algorithm ed25519 -out /root/ed25519.key")
    host.shell("openssl pkey -in /root/ed25519.key -pubout -out /root/ed25519.pub")
    kept = ("--audit-evidence=/run/audit/evidence", "--audit-evidence-key=/root/ed25519.key")
    return audit_of(host, authority, "--audit-config=/root/sslaudit.toml", *kept)


def audit_of(host: Host, authority: Authority, *arguments: str) -> AuditRun:
    named = (f"--audit-endpoint=https://{name}.{DOMAIN}:{case.port}?address=127.0.0.1" for name, case in CASES.items())
    return audit(host, trust(host, authority.anchor), *named, "--audit-state=/root/state", *arguments)


def id_of(name: str) -> str:
    return f"https://{name}.{DOMAIN}:{CASES[name].port}+127.0.0.1"


@pytest.mark.parametrize("name", CASES)
def test_revocation_status_of_each_server_is_judged(run: AuditRun, name: str) -> None:
    case, result = CASES[name], run.result(id_of(name), "cert.revoked")
    assert (result["verdict"], result["remedy"]) == (case.verdict, case.remedy), run.explain()
    assert case.says in result["message"], result["message"]


def test_revocation_responses_are_cached_in_a_private_directory(host: Host, run: AuditRun) -> None:
    assert run.status == 1
    assert host.shell("stat -c %a /root/state/revocation").strip() == "700"
    assert set(host.shell("stat -c %a /root/state/revocation/*").split()) == {"600"}


def test_signed_evidence_is_judged_the_same_with_all_servers_stopped(
    host: Host, authority: Authority, run: AuditRun
) -> None:
    host.shell("nginx -s stop; apache2ctl stop; kill $(cat /run/ocsp-808[123].pid); mv /root/state /root/elsewhere")
    changed = next(iter(CASES))
    file = EvidenceStore(Path("/run/audit/evidence")).file_of(parse_endpoint(id_of(changed).replace("+", "?address=")))
    host.shell(f"sed -i s/connections/Connections/ {file}")
    key = "--audit-evidence-key=/root/ed25519.pub"
    again = audit(host, trust(host, authority.anchor), "--audit-from-evidence=/run/audit/evidence", key)
    assert f"{file.name}: its content has changed" in again.result(id_of(changed), "svc.unreachable")["message"]
    for name, case in CASES.items():
        if name == changed:
            continue
        assert again.verdict(id_of(name), "cert.revoked") == run.verdict(id_of(name), "cert.revoked"), case
