"""The verbs of `shell/trust`: what they do and refuse, as root and with the rights of a directory's owner."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.hosts.trust_functions import EVE, SHELLS, TOOLS, answer, as_user, give, run_trust

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]
BOTH = pytest.mark.parametrize("shell", SHELLS)
KEY = b"the key\n"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- as root ---


@BOTH
def test_file_is_written_with_its_mode_and_leaves_no_temporary_file(root: Path, shell: str) -> None:
    (root / "f").write_text("old")
    done = run_trust(f"umask 0; write_file 0640 {root}/f", shell, stdin=KEY)
    assert (done.returncode, (root / "f").read_bytes(), mode_of(root / "f")) == (0, KEY, 0o640), done.stderr
    assert names(root) == {"f"}


@BOTH
def test_file_is_not_written_through_a_link_or_into_a_fifo(root: Path, shell: str) -> None:
    (root / "victim").write_text("as it was")
    os.mkfifo(root / "fifo")
    for target in ("victim", "gone", "fifo"):
        (root / "link").unlink(missing_ok=True)
        (root / "link").symlink_to(root / target)
        for verb in ("write_file 0600", "append_file", "rewrite_file"):
            done = run_trust(f"{verb} {root}/link", shell, stdin=b"new")
            assert done.returncode == 77
            assert done.stderr == f"{root}/link is left as it is: it is a symbolic link\n"
    assert (root / "victim").read_text() == "as it was"
    assert names(root) == {"victim", "fifo", "link"}


VERBS = (
    "make_directory 0755 {at}/new",
    "write_file 0600 {at}/f",
    "append_file {at}/f",
    "rewrite_file {at}/f",
    "copy_file {root}/f {at}/new",
    "copy_file {at}/f {root}/new",
    "copy_attributes {root}/f {at}/f",
    "rename_file {root}/f {at}/f",
    "rename_file {at}/f {root}/f",
    "point_link {at}/new target",
    "change_mode 0777 {at}/f",
    "change_owner 1 {at}/f",
    "remove_file {at}/f",
    "destroy_file {at}/f",
    "remove_directory {at}/d",
    "remove_tree {at}/d",
)


@BOTH
@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_acts_as_root_in_the_directory_of_another_user(root: Path, eves: Path, shell: str, verb: str) -> None:
    (root / "f").write_text("roots")
    (eves / "f").write_text("in eve's directory")
    (eves / "d").mkdir()
    before = [(path, path.lstat().st_mode, path.lstat().st_uid) for path in sorted(root.rglob("*"))]
    done = run_trust(verb.format(root=root, at=eves), shell, stdin=b"new")
    assert done.returncode == 77
    assert done.stderr.endswith(f" is left as it is: {eves} belongs to uid {EVE}\n"), done.stderr
    assert [(path, path.lstat().st_mode, path.lstat().st_uid) for path in sorted(root.rglob("*"))] == before
    assert (eves / "f").read_text() == "in eve's directory"
    assert (root / "f").read_text() == "roots"


@BOTH
@pytest.mark.parametrize("verb", ["make_directory 0700 {at}", "write_file 0600 {at}", "point_link {at} target"])
def test_no_file_is_created_in_a_world_writable_directory(root: Path, shell: str, verb: str) -> None:
    (root / "t").mkdir()
    (root / "t").chmod(0o1777)
    done = run_trust(verb.format(at=root / "t" / "new"), shell, stdin=b"new")
    assert done.returncode == 77
    assert done.stderr == f"{root}/t/new is left as it is: every user can make a name in {root}/t\n"
    assert not names(root / "t")


@BOTH
def test_mode_and_owner_of_a_file_are_changed_but_not_of_a_link(root: Path, shell: str) -> None:
    (root / "f").write_text("x")
    (root / "link").symlink_to("f")
    assert run_trust(f"change_mode 0640 {root}/f; change_owner {EVE}:{EVE} {root}/f", shell).returncode == 0
    assert (mode_of(root / "f"), (root / "f").stat().st_uid) == (0o640, EVE)
    for verb in ("change_mode 0666", "change_owner 0"):
        assert run_trust(f"{verb} {root}/link", shell).returncode == 77
    assert run_trust(f"change_mode u+s {root}/f", shell).stderr == "u+s is not a valid mode\n"
    assert run_trust(f"change_mode 4755 {root}/f", shell).stderr == "4755 is not a valid mode\n"
    assert (mode_of(root / "f"), (root / "f").stat().st_uid) == (0o640, EVE)


def attributes(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


def test_copy_has_content_and_all_attributes(root: Path) -> None:
    (root / "f").write_bytes(KEY)
    give(root / "f", EVE, EVE + 1, 0o600)
    subprocess.run([TOOLS / "setfacl", "-m", "u:1:r,g:2:r", root / "f"], check=True)
    os.setxattr(root / "f", "security.selinux", b"system_u:object_r:cert_t:s0\0")
    os.setxattr(root / "f", "user.note", b"kept")
    (root / "g").write_bytes(b"other")
    os.utime(root / "f", (10**9, 10**9))
    done = run_trust(f"copy_file {root}/f {root}/new; copy_attributes {root}/f {root}/g")
    assert done.returncode == 0, done.stderr
    assert (root / "new").read_bytes() == KEY
    assert (root / "g").read_bytes() == b"other"
    for name in ("new", "g"):
        copy = (root / name).stat()
        assert (copy.st_uid, copy.st_gid, mode_of(root / name)) == (EVE, EVE + 1, mode_of(root / "f"))
        assert attributes(root / name) == attributes(root / "f")
    assert {"security.selinux", "system.posix_acl_access", "user.note"} <= set(attributes(root / "new"))
    assert names(root) == {"f", "g", "new"}
    assert (root / "new").stat().st_mtime == 10**9
    assert (root / "g").stat().st_mtime > 10**9, "it is not the time of the other content"


def test_copy_is_refused_where_the_tool_cannot_copy_attributes(root: Path) -> None:
    (root / "f").write_bytes(KEY)
    done = run_trust(f"copy_file {root}/f {root}/new", "busybox")
    assert done.returncode == 77
    assert f"the attributes of {root}/f cannot be copied" in done.stderr
    assert names(root) == {"f"}


def test_copy_of_a_large_or_special_file_is_refused(root: Path) -> None:
    os.mkfifo(root / "fifo")
    with (root / "huge").open("wb") as huge:
        huge.truncate(10**12)
    (root / "f").write_bytes(KEY)
    (root / "link").symlink_to("f")
    for name, result in {
        "fifo": f"{root}/fifo is not a regular file\n",
        "huge": f"{root}/huge has 1000000000000 bytes (limit 16777216)\n",
        "link": f"{root}/link is left as it is: it is a symbolic link\n",
    }.items():
        assert run_trust(f"copy_file {root}/{name} {root}/new").stderr == result
    assert run_trust(f"copy_file {root}/f {root}/link").stderr == f"{root}/link exists\n"
    assert names(root) == {"fifo", "huge", "f", "link"}


@BOTH
def test_rename_replaces_a_file_or_a_link_and_enters_no_directory(root: Path, shell: str) -> None:
    (root / "d").mkdir()
    for name in ("a", "b"):
        (root / name).write_text(name)
    (root / "link").symlink_to("d" if shell == "dash" else "gone")  # mv of busybox does not replace a link to "d"
    assert run_trust(f"rename_file {root}/a {root}/link", shell).returncode == 0
    assert (root / "link").read_text() == "a"
    assert run_trust(f"rename_file {root}/b {root}/d", shell).stderr == f"{root}/d is a directory\n"
    assert names(root) == {"b", "d", "link"}
    assert not names(root / "d")


@BOTH
def test_rename_to_another_file_system_is_refused(root: Path, shell: str) -> None:
    (root / "f").write_text("x")
    done = run_trust(f"rename_file {root}/f /dev/new", shell)
    assert done.stderr == f"/dev/new is on another file system than {root}/f\n"
    assert (root / "f").exists()


@BOTH
def test_link_to_a_directory_is_replaced_atomically(root: Path, shell: str) -> None:
    for name in ("one", "two"):
        (root / name).mkdir()
    for name in ("one", "two"):
        assert run_trust(f"point_link {root}/link {name}", shell).returncode == 0
        assert (root / "link").readlink() == Path(name)
    assert names(root) == {"one", "two", "link"}
    assert not names(root / "one")
    assert run_trust(f"point_link {root}/two one", shell).stderr == f"{root}/two is not a symbolic link\n"


@BOTH
def test_directories_are_made_and_removed(root: Path, shell: str) -> None:
    assert run_trust(f"umask 0; make_directory 0750 {root}/d && make_directory 0700 {root}/d", shell).returncode == 0
    assert mode_of(root / "d") == 0o750
    assert run_trust(f"remove_directory {root}/d", shell).returncode == 0
    (root / "tree" / "deep").mkdir(parents=True)
    (root / "tree" / "deep" / "out").symlink_to("/etc/passwd")
    (root / "way").symlink_to("tree")
    assert run_trust(f"remove_tree {root}/way", shell).returncode == 77
    assert run_trust(f"remove_tree {root}/tree", shell).returncode == 0
    assert Path("/etc/passwd").exists()
    assert names(root) == {"way"}


@BOTH
def test_destroyed_file_is_gone_and_another_name_of_it_keeps_its_content(root: Path, shell: str) -> None:
    (root / "key").write_bytes(KEY)
    (root / "shared").write_bytes(KEY)
    os.link(root / "shared", root / "other name")
    (root / "link").symlink_to("other name")
    for name in ("key", "shared", "link"):
        assert run_trust(f"destroy_file {root}/{name}", shell).returncode == 0
    assert names(root) == {"other name"}
    assert (root / "other name").read_bytes() == KEY


@BOTH
def test_logs_are_appended_to(root: Path, shell: str) -> None:
    for _ in range(2):
        assert run_trust(f"append_file {root}/log", shell, stdin=b"line\n").returncode == 0
    assert (root / "log").read_text() == "line\n" * 2
    assert mode_of(root / "log") == 0o600
    give(root / "log", EVE)
    assert run_trust(f"append_file {root}/log", shell, stdin=b"line\n").returncode == 77


# --- with the rights of the owner ---

WRITE = "'write_file 0644 \"$1/token\"'"


@pytest.mark.parametrize("way", ["setpriv", "runuser", "su"])
def test_owner_acts_with_its_own_rights_alone(root: Path, eves: Path, way: str) -> None:
    bin_ = root / "bin"
    bin_.mkdir()
    hidden = {"setpriv", "runuser", "su"} - {way}
    for folder in ("/usr/bin", "/usr/sbin"):
        for program in Path(folder).iterdir():
            if program.name not in hidden and not (bin_ / program.name).exists():
                (bin_ / program.name).symlink_to(program)
    uid = EVE if way == "setpriv" else 1  # runuser and su need a name
    give(eves, uid, mode=0o700)
    script = "'id -ru; id -u; id -G; cat /etc/shadow >/dev/null && echo root; umask 0; write_file 0644 \"$1/token\"'"
    done = run_trust(f"as_owner {eves} {script} {eves}", path=str(bin_), stdin=b"content")
    assert done.returncode == 0, done.stderr
    groups = "65534" if way == "setpriv" else "1"
    assert done.stdout.splitlines()[:3] == [str(uid), str(uid), groups]
    assert "root" not in done.stdout.splitlines()
    token = eves / "token"
    assert (token.read_text(), mode_of(token), token.stat().st_uid) == ("content", 0o644, uid)


@BOTH
def test_host_that_cannot_act_as_another_user_refuses(root: Path, eves: Path, shell: str) -> None:
    del shell
    bin_ = root / "bin"
    bin_.mkdir()
    for name in ("sh", "id", "tr", "head", "tail", "stat", "readlink", "sed", "env", "timeout", "true"):
        (bin_ / name).symlink_to(f"/usr/bin/{name}")
    done = run_trust(f"as_owner {eves} {WRITE} {eves}", path=str(bin_), stdin=b"x")
    assert done.returncode == 77
    assert done.stderr == f"this host has no setpriv, by which uid {EVE} could do it\n"


def test_owner_of_a_docroot_behind_a_link_of_another_user_is_refused(root: Path, eves: Path) -> None:
    bobs = root / "bob"
    bobs.mkdir()
    give(bobs, EVE + 1)
    (eves / "docroot").symlink_to(bobs)
    done = run_trust(f"as_owner {eves}/docroot {WRITE} {eves}/docroot", stdin=b"x")
    assert done.returncode == 77
    assert done.stderr == (
        f"{eves}/docroot is left as it is: {bobs} belongs to uid {EVE + 1}, and a directory above it to uid {EVE}\n"
    )
    assert not names(bobs)


def test_link_of_the_owner_to_roots_directory_gives_no_rights_there(root: Path, eves: Path) -> None:
    (root / "private").mkdir()
    (eves / "docroot").symlink_to(root / "private")
    done = run_trust(f"as_owner {eves}/docroot {WRITE} {eves}/docroot", stdin=b"x")
    assert done.returncode != 0
    assert not names(root / "private")


def test_link_at_the_final_name_is_not_followed_by_the_owner(eves: Path) -> None:
    (eves / "secret").write_text("as it was")
    give(eves / "secret", EVE, mode=0o600)
    (eves / "token").symlink_to("secret")
    done = run_trust(f"as_owner {eves} {WRITE} {eves}", stdin=b"x")
    assert done.returncode == 77
    assert (eves / "secret").read_text() == "as it was"


def test_group_writable_directory_is_used_with_the_rights_of_the_group(root: Path) -> None:
    docroot = root / "html"
    docroot.mkdir()
    give(docroot, 0, EVE, 0o775)
    done = run_trust(f"as_owner {docroot} {WRITE} {docroot}", stdin=b"x")
    assert done.returncode == 0, done.stderr
    token = (docroot / "token").stat()
    assert (token.st_uid, token.st_gid) == (65534, EVE)


def test_roots_own_directory_is_used_by_root_with_all_checks(root: Path, eves: Path) -> None:
    done = run_trust(f"as_owner {root} 'id -u; write_file 0644 \"$1\"' {eves}/f", stdin=b"x")
    assert (done.returncode, done.stdout) == (77, "0\n")
    assert done.stderr == f"{eves}/f is left as it is: {eves} belongs to uid {EVE}\n"


def test_only_root_acts_for_others(root: Path, eves: Path) -> None:
    del root
    assert run_trust(f"as_owner {eves} 'id -u'", uid=EVE).stdout == f"{EVE}\n"
    done = run_trust(f"as_owner {eves} 'id -u'", uid=EVE + 1)
    assert done.stderr == f"{eves} belongs to uid {EVE}: only root can act for that user\n"


def test_process_of_the_owner_inherits_no_open_file(eves: Path) -> None:
    script = "'for f in /proc/self/fd/*; do readlink $f; done'"
    done = run_trust(f"exec 3</etc/shadow 4>>/var/log/dpkg.log; as_owner {eves} {script}", stdin=b"")
    opened = done.stdout.splitlines()
    assert not [name for name in opened if "shadow" in name or "dpkg" in name]
    ours = run_trust("readlink /proc/$$/fd/1").stdout.strip()
    assert ours.startswith("pipe:")
    both = run_trust(f"readlink /proc/$$/fd/1; as_owner {eves} 'readlink /proc/$$/fd/1'").stdout.split()
    assert both[0] != both[1], "the owner could read and write the answer of root's script"


@BOTH
def test_owner_is_the_user_who_decides_where_the_path_leads(root: Path, eves: Path, shell: str) -> None:
    (eves / "roots").mkdir()
    script = f'say owner_of {eves}/roots/none; echo "$owner_uid"; say owner_of {root}/x/y; echo "$owner_uid $owner_gid"'
    assert answer(script, shell) == f"yes\n{EVE}\nyes\n0 0"
    (root / "public").mkdir()
    (root / "public").chmod(0o777)
    as_user(EVE, "mkdir", str(root / "public" / "d"))
    result = answer(f"say owner_of {root}/public/d", shell)
    assert result == f"no: {root}/public/d is in {root}/public, which every user can write"


def test_endless_output_of_the_owner_is_cut(eves: Path) -> None:
    done = run_trust(f"as_owner {eves} 'yes'")
    assert (done.returncode, done.stdout) == (1, "")
    assert "printed too much" in done.stderr
