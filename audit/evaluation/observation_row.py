"""The row of an observation in the results file: what was seen of an endpoint or host, for people and programs."""

from __future__ import annotations

from typing import Any

from audit.evaluation.facts import Facts
from audit.evaluation.result import Phase
from audit.json_codec import format_time, to_json
from audit.observation import UNKNOWN, InstalledFile, Observation
from audit.observation.tls_support import TlsSupport
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.loading import UnreadableField
from audit.x509.revocation.status import crl_urls, ocsp_urls


def observation_row(facts: Facts, phase: Phase = "before") -> dict[str, Any]:
    """Return the row of an observation."""
    seen, endpoint = facts.observation, facts.endpoint
    first = seen.handshakes[0] if seen.handshakes else None
    chain = facts.seen_chain
    served = [chain_facts for chain_facts in facts.of_each_chain if chain_facts.served]
    chains = [_chain_row(chain_facts) for chain_facts in served]
    main: list[dict[str, Any]] = next(
        (row["certificates"] for row, chain_facts in zip(chains, served, strict=True) if chain_facts is facts), []
    )
    return {
        "endpoint": str(endpoint),  # id of the endpoint or host
        "host": endpoint.hostspec,  # how the host is logged in to; null from outside
        "service": endpoint.service,  # name of the service; null from outside
        "phase": phase,  # before or after a repair
        "observed_at": format_time(seen.observed_at),  # time of the observation
        "addresses": list(seen.addresses),  # addresses that were connected to
        # addresses that the name has; null if it was not looked up
        "resolved": None if seen.dns is None or seen.dns.status == "not-asked" else list(seen.dns.addresses),
        "panel_service": seen.server.panel_service if seen.server else None,  # the panel's name for the service
        # addresses of the host itself; null from outside
        "own_addresses": [*seen.server.addresses, *seen.server.configured_addresses] if seen.server else None,
        "login": seen.server.login if seen.server else None,  # user that ran the commands
        "collector": seen.server.collector if seen.server else None,  # the only program that the login may run as root
        "protocol": first and first.version,  # version of TLS of the first handshake
        "cipher": first and first.cipher,  # its cipher suite
        "group": first and first.group,  # its key exchange group
        "chain": main,  # certificates of the first chain, as sent
        "chains": chains,  # every distinct chain that an address serves
        "names": _names(chain.leaf) if chain and chain.certificates else [],  # names and addresses in the leaf
        # files that the service names
        "installed": [_file_row(file) for file in (seen.server.files if seen.server else ())],
        "stapled": bool(first and first.ocsp_der is not None),  # whether an OCSP response was stapled
        # processes of the host, or behind an unknown service, that root does not inspect
        "not_inspected": _not_inspected(facts),
        # its TLS configuration; null if that was not requested
        "tls": _tls_row(first.tls) if first and first.tls else None,
        "failure": _failure_row(seen),  # why there was no handshake; null if there was one
        "connections": seen.connections,  # number of connections
        "elapsed_s": round(seen.elapsed_s, 6),  # duration in seconds
    }


def _not_inspected(facts: Facts) -> list[str]:
    """Return why processes of a host were not inspected, or the process behind an unknown service."""
    server = facts.observation.server
    if server is None:
        return []
    return [*server.not_trusted, *(server.unread if facts.endpoint.service == UNKNOWN else ())]


def _chain_row(facts: Facts) -> dict[str, Any]:
    """Return the part of the row about the chain of these facts."""
    certificates = facts.seen_chain.certificates if facts.seen_chain else ()
    leaf = next(iter(certificates), None)
    return {
        "addresses": list(facts.served.addresses) if facts.served else [],  # addresses that serve it
        "key_type": leaf and _known(lambda: leaf.key.kind),  # kind of the key of the leaf
        "names": _names(leaf) if leaf else [],  # names and addresses in the leaf
        "certificates": [_certificate_row(certificate) for certificate in certificates],  # as sent, the leaf first
    }


def _certificate_row(certificate: Certificate) -> dict[str, Any]:
    return {
        "sha256": certificate.sha256,  # digest of the DER
        "subject": _known(lambda: certificate.subject),  # as in RFC 4514
        "issuer": _known(lambda: certificate.issuer),  # as in RFC 4514
        "not_before": _known(lambda: format_time(certificate.not_before)),  # start of the validity
        "not_after": _known(lambda: format_time(certificate.not_after)),  # end of the validity
        "spki_sha256": _known(lambda: certificate.spki_sha256),  # digest of the public key
        "serial": _known(lambda: f"{certificate.serial:x}"),  # serial number, hexadecimal
        "key_type": _known(lambda: certificate.key.kind),  # kind of the key
        "key_bits": _known(lambda: certificate.key.bits),  # its length; null if it has only one
        "signature_algorithm": _known(lambda: certificate.signature_algorithm),  # name of the algorithm
        "ocsp": list(ocsp_urls(certificate)) if certificate.is_path_member else None,  # URLs of OCSP responders
        "crl": list(crl_urls(certificate)) if certificate.is_path_member else None,  # URLs of CRLs
    }


def _known(read: Any) -> Any:  # noqa: ANN401 - a fact of any type
    """Return a fact, or None if it could not be read: that is a finding of a check."""
    try:
        return read()
    except UnreadableField:
        return None


def _names(certificate: Certificate) -> list[str] | None:
    """Return the names and addresses of a certificate; None if they cannot be read."""
    names: list[str] | None = _known(lambda: [*certificate.dns_names, *certificate.ip_addresses])
    return names


def _tls_row(support: TlsSupport) -> dict[str, Any]:
    """Return the TLS configuration; names are those of the IANA registries, and `0xNNNN` for what has none."""
    return {
        "depth": support.depth,  # certificate, standard or full
        "protocols": [seen.version for seen in support.versions],  # versions that are accepted, the oldest first
        # by version: the suites found, in the order of the server if it has one
        "suites": {seen.version: list(seen.suites) for seen in support.versions},
        # by version: whether the order is the server's; null if it is not known
        "server_preference": {seen.version: seen.prefers_its_order for seen in support.versions},
        "groups": list(support.groups),  # groups of the key exchange
        "primes": [to_json(prime) for prime in support.primes],  # of Diffie-Hellman in finite fields: bits and name
        "signature_schemes": list(support.schemes),  # those of TLS 1.2
        "features": to_json(support.features),  # extensions and behaviour; null if it is not known
        "complete": support.is_complete,  # whether suites, groups and schemes are all that the server supports
        "incomplete_because": support.incomplete_because,  # the fault that ended the requests early
        "connections": support.connections,  # to the address, with those of the first handshakes
    }


def _file_row(file: InstalledFile) -> dict[str, Any]:
    mode = None if file.mode is None else f"{file.mode:04o}"
    first = read_certificate(file.chain_der[0]) if file.chain_der else None
    return {
        "path": file.path,  # as the configuration names it
        "real_path": file.real_path,  # where links lead
        "kind": file.kind,  # certificate, key or chain
        "owner": file.owner,  # user that owns it
        "group": file.group,  # its group
        "mode": mode,  # permission bits, octal
        "acl": None if file.acl is None else list(file.acl),  # rights of a POSIX ACL; null if they are unknown
        "spki_sha256": file.spki_sha256 or (first and _known(lambda: first.spki_sha256)),  # digest of its public key
        "names": _names(first) if first else [],  # names in its first certificate
        **({"fault": file.fault} if file.fault else {}),  # why it could not be read; left out if it could
    }


def _failure_row(seen: Observation) -> dict[str, Any] | None:
    failure = seen.failure
    if failure is None and seen.accident is None:
        return None
    stage, kind, detail = "audit", "broken", seen.accident.reason if seen.accident else ""
    if failure:
        stage, kind, detail = failure.stage, failure.kind, failure.detail
    return {
        "stage": stage,  # resolve, connect, starttls, handshake, login, host or audit
        "kind": kind,  # kind of failure, such as refused or timeout
        "detail": detail,  # one line for a person
    }
