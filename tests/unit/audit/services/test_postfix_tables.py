"""Tests of postfix's lists of key and certificate files, and of its tables of certificates by name."""

from __future__ import annotations

import pytest

from audit.services import postfix
from audit.services.model import ConfigDump, Listener, Section, pair, without_relative_files

MASTER = "smtp inet n - y - - smtpd\n"


def read(main: str, **sections: str) -> list[tuple[tuple[str, ...], list[tuple[str, str]], tuple[str, ...]]]:
    """Return the names, the files and the unread values of each listener."""
    texts = {"main": main, "master": MASTER, **{name.replace("__", ":"): text for name, text in sections.items()}}
    listeners = postfix.read(ConfigDump({name: Section(text) for name, text in texts.items()}))
    return [
        (listener.names, [(file.kind, file.path) for file in listener.files], listener.unread) for listener in listeners
    ]


def test_key_file_belongs_to_next_certificates() -> None:
    main = "smtpd_tls_chain_files = /a.key, /a.crt /both.pem"
    ((_, files, _),) = read(main, keys="/a.key\n/both.pem", certificates="/a.crt\n/both.pem")
    assert files == [("certificate", "/a.crt"), ("key", "/a.key"), ("certificate", "/both.pem"), ("key", "/both.pem")]


def test_each_name_of_table_is_listener_with_its_files() -> None:
    table = ConfigDump(
        {
            "main": Section("tls_server_sni_maps = hash:/etc/postfix/sni"),
            "master": Section(MASTER),
            "sni:hash:/etc/postfix/sni": Section("# ours\nwww.example.org /w.key\n  /w.crt\n.example.com /x.pem\n"),
            "keys": Section("/w.key"),
            "certificates": Section("/w.crt"),
        }
    )
    base, www, wildcard = postfix.read(table)
    assert wildcard.names == ("any-label.example.com",)
    assert base.names == base.unread == ()
    assert (www.names, [(file.kind, file.path) for file in www.files]) == (
        ("www.example.org",),
        [("certificate", "/w.crt"), ("key", "/w.key")],
    )


def test_table_in_the_setting_itself_is_read() -> None:
    entries = "{a.example.org = /a.key, /a.crt}, b.example.org=/b.pem"
    main = f"tls_server_sni_maps = inline:{{ {entries} }}, hash:/sni"
    base, *others = read(main, keys="/a.key\n/b.pem", certificates="/a.crt\n/b.pem")
    assert base[2] == ("postfix looks certificates up by name in hash:/sni",)
    assert [(names, [path for _, path in files]) for names, files, _ in others] == [
        (("a.example.org",), ["/a.crt", "/a.key"]), (("b.example.org",), ["/b.pem", "/b.pem"]),
    ]  # fmt: skip


def test_table_without_text_is_reported_as_unread() -> None:
    ((_, _, unread),) = read("tls_server_sni_maps = ldap:/etc/postfix/ldap.cf")
    assert unread == ("postfix looks certificates up by name in ldap:/etc/postfix/ldap.cf",)


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("/home/eve belongs to uid 1001", ", which is not read: /home/eve belongs to uid 1001"),
        ("", ""),
    ],
)
def test_refused_table_is_reported_with_the_reason_of_the_host(printed: str, why: str) -> None:
    refused = Section(printed, 1)
    main = Section("tls_server_sni_maps = hash:/home/eve/sni")
    (listener,) = postfix.read(ConfigDump({"main": main, "master": Section(MASTER), "sni:hash:/home/eve/sni": refused}))
    assert listener.unread == (f"postfix looks certificates up by name in hash:/home/eve/sni{why}",)


def test_file_with_a_relative_path_is_named_and_not_inspected() -> None:
    listener = Listener("smtp", 25, files=pair("certificates/mail.pem", "/mail.key"))
    absolute = without_relative_files(listener, "postfix")
    assert [file.path for file in absolute.files] == ["/mail.key"]
    assert absolute.unread == ("the directory is not known that postfix takes the file 'certificates/mail.pem' from",)
