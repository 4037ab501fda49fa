"""Reads the certificate files of a virtual host of apache, and those that mod_md, an ACME client, keeps for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audit.services.apache.syntax import ApacheConfiguration, host_names
from audit.services.block_syntax import Block
from audit.services.config_files import absolute
from audit.services.model import NamedFile, pair, prompted

_WORDS: Final = ("auto", "manual")  # of `MDomain`, and no names


def host_files(host: Block, configuration: ApacheConfiguration) -> tuple[NamedFile, ...]:
    """Return the files of a host: those that mod_md keeps for it, its own, or those of the main server."""
    base = configuration.base
    own = _own_files(host, base) or _own_files(configuration.root, base)
    if _prompts_for_passphrases(configuration):
        own = prompted(own)
    return _managed_files(host, configuration) or own


def _prompts_for_passphrases(configuration: ApacheConfiguration) -> bool:
    """Return whether the server prompts at its terminal for the passphrase of an encrypted key."""
    dialog = configuration.root.last("SSLPassPhraseDialog") or "builtin"
    return dialog.lower() == "builtin" and not configuration.unread


def _own_files(host: Block, base: str) -> tuple[NamedFile, ...]:
    """Return the pairs of a host: the keys in the order of the certificates; a file without a key contains its own."""
    certificates, keys, chains = (
        [absolute(base, arguments[0]) for arguments in host.values(name) if arguments and ":" not in arguments[0][:8]]
        for name in ("SSLCertificateFile", "SSLCertificateKeyFile", "SSLCertificateChainFile")
    )
    files: list[NamedFile] = []
    for index, certificate in enumerate(certificates):
        key = keys[index] if index < len(keys) else certificate
        files += pair(certificate, key, chains[-1] if chains and index == 0 else None)
    return tuple(files)


def _managed_files(host: Block, configuration: ApacheConfiguration) -> tuple[NamedFile, ...]:
    """Return the files that mod_md keeps for a virtual host; empty if it manages none of the host's names."""
    names = {name.lower() for name in host_names(host)}
    domain = next((names_of for names_of in _domains(configuration) if names & set(names_of)), None)
    if domain is None:
        return ()
    store = absolute(configuration.base, configuration.root.last("MDStoreDir") or "md")
    folder = f"{store}/domains/{domain[0]}"
    return tuple(
        file
        for suffix in _suffixes(configuration.root)
        for file in pair(f"{folder}/pubcert{suffix}.pem", f"{folder}/privkey{suffix}.pem")
    )


def _domains(configuration: ApacheConfiguration) -> Iterator[list[str]]:
    """Yield the names of each managed domain, the one that names its folder first."""
    single = [*configuration.root.values("MDomain"), *configuration.root.values("ManagedDomain")]
    kinds = ("mdomain", "mdomainset", "manageddomain")
    sections = [section for section in configuration.sections if section.kind in kinds]
    single += [
        (*section.arguments, *(word for words in section.values("MDMember") for word in words)) for section in sections
    ]
    for words in single:
        names = [word.lower() for word in words if word.lower() not in _WORDS]
        if names:
            yield names


def _suffixes(root: Block) -> list[str]:
    """Return the part of the files' names that stands for the type of the key; it is empty for RSA."""
    words = [word.lower() for words in root.values("MDPrivateKeys")[-1:] for word in words if not word.isdecimal()]
    suffixes = ("" if word in ("rsa", "default") else f".{word}" for word in words or ["rsa"])
    return list(dict.fromkeys(suffixes))
