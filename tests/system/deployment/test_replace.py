"""What a switch does to files on a host: attributes, directories of other users, mounts, files that cannot change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

import pytest

from remediate.deployment.progress import Progress
from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, Version
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import CustomInstaller
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.openssl_client import wait_until
from tests.support.hosts.pki import Authority, Credential
from tests.support.remediate.fake_host.session import ask
from tests.support.remediate.fake_host.switch import target

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

EVE = 61_234
"""An unprivileged user."""
READER = 61_300
"""A user and a group who may read the old key."""
LABEL = "system_u:object_r:cert_t:s0"
ATTRIBUTES = "getfacl -cn {0} 2>/dev/null; getfattr -dm - {0} 2>/dev/null | tail -n +2; stat -c '%F %u:%g %a' {0}"
KEY = "/root/pending.pem"


@dataclass(slots=True)
class Web:
    """A host with a certificate and a key somewhere, and no daemon."""

    host: Host
    authority: Authority
    old: Credential
    number: int = 0
    folder: str = ""

    def lay(self, folder: str) -> None:
        """Put certificate and key in a directory, as root's."""
        self.number += 1
        self.folder = folder
        self.host.do("mkdir", "-p", folder)
        certificate = HostFile(f"{folder}/tls.crt", self.old.certificate, 0o644)
        self.host.write(certificate, HostFile(f"{folder}/tls.key", self.old.key, 0o600))

    @property
    def key(self) -> str:
        """The configured path of the key."""
        return f"{self.folder}/tls.key"

    @property
    def file_set(self) -> FileSet:
        """Both files, in a case of their own."""
        placed = target(f"{self.folder}/tls.crt", "lc"), target(self.key, "k")
        return FileSet(HostWorkdir("web1", f"{self.number:016x}", "test"), placed)

    def run(self, command: Command) -> CommandResult:
        """Run a command as a login does."""
        return self.host.execute(command)

    def stage(self, new: Credential) -> str:
        """Lay a certificate ready and return the version's name."""
        self.host.write(HostFile(KEY, new.key, 0o600))
        version = Version(new.certificate, "", KEY)
        done = self.run(REPLACE.stage(self.file_set, version))
        assert done.ok, done
        return version.name

    def switch(self, version: str, *, returns: bool = True) -> Progress:
        """Switch to a version, without a confirmation, and return how that ended."""
        services = (CustomInstaller("gateway"),)
        done = self.run(REPLACE.activate(self.file_set, services, version, confirm_within_s=0, returns=returns))
        assert done.ok, done
        assert wait_until(lambda: self.look().holder is None), self.look()
        return self.look()

    def look(self) -> Progress:
        """Return where the switch is."""
        return ask(REPLACE.status(self.file_set), self.run)

    def attributes(self, path: str) -> str:
        """Return everything about a file but its content."""
        return self.host.shell(ATTRIBUTES.format(quote(path)))

    def can_read(self, path: str, uid: int) -> bool:
        """Return whether a user can read a file."""
        words = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "cat", path)
        return self.host.run(*words).returncode == 0

    def lacks(self) -> str:
        """Return what the preconditions say is missing."""
        requirements = ask(REPLACE.requirements([self.file_set]), self.run)
        assert requirements.host_time
        return "\n".join(f"lacks {text}" for text in requirements.lacks)


@pytest.fixture(scope="module")
def web(overlays: None, authority: Authority) -> Iterator[Web]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", "web1.example.test") as host:
        host.shell(f"groupadd -g {EVE} eve; useradd -u {EVE} -g eve eve")
        yield Web(host, authority, authority.issue("web1.example.test"))


@pytest.fixture
def new(web: Web) -> Credential:
    return web.authority.issue("web1.example.test")


def test_new_files_have_acl_label_and_attributes_of_the_old_ones(web: Web, new: Credential) -> None:
    web.lay("/etc/ssl/acl")
    web.host.shell(
        f"chgrp {READER + 1} {web.key}; chmod 640 {web.key}; setfacl -m u:{READER}:r,g::- {web.key};"
        f"setfattr -n security.selinux -v {LABEL} {web.key}; setfattr -n user.owner -v web {web.key}"
    )
    before = web.attributes(web.key)
    assert (LABEL in before, f"user:{READER}:r--" in before) == (True, True)
    assert web.switch(web.stage(new)).last.state == "confirmed"
    assert web.host.read(web.key) == new.key
    assert web.attributes(web.key) == before
    assert web.can_read(web.key, READER)
    assert not web.can_read(web.key, READER + 1)  # the group whose bits were the mask of the ACL
    assert web.switch("before").last.state == "confirmed"
    assert (web.host.read(web.key), web.attributes(web.key)) == (web.old.key, before)


def test_new_key_has_at_most_mode_0640_and_the_old_one_is_restored(web: Web, new: Credential) -> None:
    web.lay("/etc/ssl/wide")
    web.host.shell(f"chmod 666 {web.key}; chgrp {READER} {web.key}")
    assert web.switch(web.stage(new)).last.state == "confirmed"
    assert web.host.do("stat", "-c", "%a %u:%g", web.key).split() == ["640", f"0:{READER}"]
    assert (web.can_read(web.key, READER), web.can_read(web.key, EVE)) == (True, False)
    web.switch("before")
    assert web.host.do("stat", "-c", "%a %u:%g", web.key).split() == ["666", f"0:{READER}"]


def test_directory_of_another_user_is_written_with_that_users_rights(web: Web, new: Credential) -> None:
    web.lay("/srv/eve/tls")
    web.host.shell(f"chown -R {EVE}:{EVE} /srv/eve; chmod 640 {web.key}")
    assert web.lacks() == ""
    assert web.switch(web.stage(new)).last.state == "confirmed"
    assert web.host.read(web.key) == new.key
    assert web.host.shell(f"stat -c '%F %u:%g %a' {web.key}").strip() == f"regular file {EVE}:{EVE} 640"
    assert web.host.shell("ls -A /srv/eve/tls").split() == ["tls.crt", "tls.key"]
    assert web.switch("before").last.state == "confirmed"
    assert web.host.read(web.key) == web.old.key
    versions = web.host.shell(f"find {web.file_set.folder} -type d ! -user root -o -type d -perm /077")
    assert versions.strip() == ""


def test_key_of_root_in_a_directory_of_another_user_is_refused(web: Web, new: Credential) -> None:
    web.lay("/srv/mallory")
    web.host.shell(f"chown {EVE}:{EVE} /srv/mallory")
    assert f"/srv/mallory belongs to uid {EVE}, but the file to uid 0" in web.lacks()
    progress = web.switch(web.stage(new))
    assert (progress.last.state, f"its directory to uid {EVE}" in progress.last.detail) == ("refused", True)
    assert web.host.read(web.key) == web.old.key
    assert web.host.shell("ls -A /srv/mallory").split() == ["tls.crt", "tls.key"]


def test_newline_in_a_directory_name_changes_no_mode(web: Web, new: Credential) -> None:
    tool = "/srv/forged/tool"
    web.host.shell(f"mkdir -p /srv/forged; cp /bin/true {tool}; chmod 755 {tool}; chown {EVE} /srv/forged")
    web.lay(f"/srv/forged/d\n4755 {tool}")
    web.host.shell(f"chown -R {EVE}:{EVE} /srv/forged/d*")
    assert web.switch(web.stage(new)).last.state == "confirmed"
    assert web.run(REPLACE.prune(web.file_set.workdir, ())).ok
    assert web.switch("before").last.state == "confirmed"
    assert web.host.do("stat", "-c", "%a %u", tool).split() == ["755", "0"]
    assert web.host.read(web.key) == web.old.key


def test_links_swapped_under_a_switch_reach_no_file_of_root(web: Web) -> None:
    web.lay("/srv/swap")
    web.host.shell(f"chown -R {EVE}:{EVE} /srv/swap; cp -p {web.key} /srv/swap/kept; chown {EVE} /srv/swap/kept")
    guarded = "stat -c '%a %u %Y %s' /etc/shadow /etc/passwd; sha256sum /etc/shadow /etc/passwd"
    before = web.host.shell(guarded)
    swap = "cd /srv/swap; while :; do ln -sf /etc/shadow n; mv -fT n tls.key; cp kept m; mv -f m tls.key; done"
    demoted = ("setpriv", f"--reuid={EVE}", f"--regid={EVE}", "--clear-groups")
    with web.host.start(*demoted, "sh", "-c", swap) as loop:
        for _ in range(15):
            new = web.authority.issue("web1.example.test")
            web.host.write(HostFile(KEY, new.key, 0o600))
            version = Version(new.certificate, "", KEY)
            web.run(REPLACE.stage(web.file_set, version))
            name = version.name
            web.run(REPLACE.activate(web.file_set, (CustomInstaller("gateway"),), name, confirm_within_s=0))
            assert wait_until(lambda: web.look().holder is None)
            begun = [event for event in web.look().events if event.state == "begun"]
            if len(begun) >= 2:
                break
        loop.kill()
    assert begun
    assert web.host.shell(guarded) == before
    assert web.host.shell(f"find {web.file_set.workdir.root} -type d ! -user root").strip() == ""


def test_file_that_is_a_mount_is_rewritten_in_place(web: Web, new: Credential) -> None:
    web.lay("/etc/ssl/bound")
    web.host.shell(f"cp -p {web.key} /srv/source.key; mount --bind /srv/source.key {web.key}")
    progress = web.switch(web.stage(new))
    assert progress.last.state == "confirmed", progress
    assert web.host.read("/srv/source.key") == web.host.read(web.key) == new.key
    assert web.switch("before").last.state == "confirmed"
    assert web.host.read("/srv/source.key") == web.old.key
    web.host.shell(f"umount {web.key}")


@pytest.mark.parametrize("returns", [True, False])
def test_half_of_a_switch_is_reverted_where_a_file_cannot_be_written(
    web: Web, new: Credential, *, returns: bool
) -> None:
    web.lay("/etc/ssl/half")
    web.host.shell(f"mount --bind {web.key} {web.key}; mount -o remount,bind,ro {web.key}")
    progress = web.switch(web.stage(new), returns=returns)
    assert [event.state for event in progress.events][-2:] == ["returning", "returned"], progress
    assert web.host.read(f"{web.folder}/tls.crt") == web.old.certificate
    assert web.host.shell(f"umount {web.key}; ls -A {web.folder}").split() == ["tls.crt", "tls.key"]
    assert (web.host.read(web.key), web.switch(web.stage(new)).last.state) == (web.old.key, "confirmed")


def test_read_only_file_system_stops_the_repair_before_it_begins(web: Web) -> None:
    web.lay("/etc/ssl/frozen")
    web.host.shell("mount --bind /etc/ssl/frozen /etc/ssl/frozen; mount -o remount,bind,ro /etc/ssl/frozen")
    assert f"{web.key} cannot be replaced: /etc/ssl/frozen is mounted read-only; allow it: mount -o" in web.lacks()
    web.host.shell("umount /etc/ssl/frozen")
    assert web.lacks() == ""


@pytest.mark.parametrize(("flag", "path"), [("i", "/tls.key"), ("a", "/tls.key"), ("i", ""), ("a", "")])
def test_immutable_file_stops_the_repair_before_it_begins(web: Web, flag: str, path: str) -> None:
    web.lay("/etc/ssl/immutable")
    path = f"{web.folder}{path}"
    if web.host.run("chattr", f"+{flag}", path).returncode:
        pytest.skip("the file system of this overlay has no such flag")
    lacks = web.lacks()
    web.host.do("chattr", f"-{flag}", path)
    assert (f"{web.key} cannot be replaced: " in lacks, f"allow it: chattr -ia {path}" in lacks) == (True, True), lacks
    assert web.lacks() == ""


def test_small_file_system_stops_the_repair_before_it_begins(web: Web) -> None:
    web.lay("/etc/ssl/small")
    web.host.shell("cp -a /etc/ssl/small /run/kept; mount -t tmpfs -o size=32k,mode=755 tmpfs /etc/ssl/small")
    web.host.shell("cp -a /run/kept/. /etc/ssl/small")
    assert "/etc/ssl/small has room for 24 kB, " in web.lacks()
    web.host.shell(
        "umount /etc/ssl/small; mount -t tmpfs -o size=32k,mode=755 tmpfs /mnt; cp -a /run/kept/tls.key /mnt"
    )
    web.host.shell(f"mount --bind /mnt/tls.key {web.key}")
    assert f"{web.key} has room for 28 kB, " in web.lacks()
    web.host.shell(f"umount {web.key} /mnt")
    assert web.lacks() == ""


def test_cp_without_attribute_support_stops_the_repair_before_it_begins(web: Web) -> None:
    web.lay("/etc/ssl/busybox")
    web.host.shell("mount --bind $(command -v busybox) /bin/cp")
    assert "cp on the host cannot copy the attributes of a file" in web.lacks()
    web.host.shell("umount --lazy /bin/cp")
