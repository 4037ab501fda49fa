"""`shell/trust`: which paths and processes root may trust. An unprivileged user attacks."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

import pytest

from tests.support.hosts.trust_functions import EVE, SHELLS, TOOLS, answer, as_user, give, run_trust, started

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]
SWAP = """
import os, sys
os.chdir(sys.argv[1])
while True:
    for target in ("/etc/passwd", sys.argv[2]):
        os.symlink(target, "new")
        os.rename("new", "link")
"""
WORKER = f"""
import os, time
if not os.fork():
    os.setresgid({EVE}, {EVE}, {EVE})
    os.setresuid({EVE}, {EVE}, {EVE})
    print(os.getpid(), flush=True)
time.sleep(60)
"""
BOTH = pytest.mark.parametrize("shell", SHELLS)


def trusts(path: Path | str, shell: str = "dash", **how: int) -> str:
    return answer(f"say trusted_path {quote(str(path))}", shell, **how)


# --- trusted_path ---


@BOTH
def test_root_file_in_root_directories_is_trusted(root: Path, shell: str) -> None:
    (root / "a file").write_text("x")
    verdict = answer(f'say trusted_path {quote(str(root))}/"a file"; echo "$real $kind $size [$missing]"', shell)
    assert verdict == f"yes\n{root}/a file file 1 []"


@BOTH
def test_trusted_directory_is_looked_at_once(root: Path, shell: str) -> None:
    (root / "a").write_text("x")
    (root / "b").write_text("xx")
    counted = 'counted() { echo >>log; "$@"; }; limit=counted'
    looks = 'for name in a b .; do say trusted_path "$PWD/$name"; echo "$real $size"; done'
    verdicts = answer(f"cd {quote(str(root))}; {counted}; {looks}", shell).splitlines()
    assert verdicts == ["yes", f"{root}/a 1", "yes", f"{root}/b 2", "yes", f"{root} 0"]
    assert (root / "log").read_text().count("\n") == 2


@BOTH
@pytest.mark.parametrize(
    "change", ["change_owner", "run_trusted /bin/chown", "output_to $PWD/log chown", "change_mode 777"]
)
def test_directory_is_looked_at_again_after_a_change(root: Path, change: str, shell: str) -> None:
    (root / "d").mkdir()
    (root / "d/f").write_text("x")
    words = change if change.endswith("777") else f"{change} {EVE}"
    script = f"cd {quote(str(root))}; say trusted_path $PWD/d/f; {words} $PWD/d; say trusted_path $PWD/d/f"
    first, second = answer(script, shell).splitlines()
    assert first == "yes"
    assert second.startswith(f"no: {root}/d ")


@BOTH
def test_directory_that_was_removed_is_missing(root: Path, shell: str) -> None:
    (root / "d").mkdir()
    script = f'cd {quote(str(root))}; for _ in 1 2; do say trusted_path "$PWD/d"; echo "[$missing]"; rmdir d; done'
    assert answer(script, shell).splitlines()[:4] == ["yes", "[]", "yes", "[yes]"]


@BOTH
def test_directory_with_line_breaks_stands_for_no_other(root: Path, shell: str) -> None:
    (root / "eve").mkdir()
    eves = give(root / "eve", EVE)
    odd = Path(f"{root}/x\n{eves}\t1:1")
    odd.mkdir(parents=True)
    script = f"say trusted_path {quote(str(odd))}/f; say trusted_path {eves}/f"
    assert answer(script, shell).splitlines() == ["yes", f"no: {eves} belongs to uid {EVE}"]


@BOTH
def test_file_of_another_user_is_not_trusted(root: Path, shell: str) -> None:
    (root / "f").write_text("x")
    give(root / "f", EVE)
    assert trusts(root / "f", shell) == f"no: {root}/f belongs to uid {EVE}"


@BOTH
def test_root_file_in_the_directory_of_another_user_is_not_trusted(eves: Path, shell: str) -> None:
    (eves / "f").write_text("x")
    assert trusts(eves / "f", shell) == f"no: {eves} belongs to uid {EVE}"


@BOTH
@pytest.mark.parametrize(
    ("mode", "gid", "why"),
    [(0o757, 0, "can be written by every user"), (0o775, EVE, f"can be written by group {EVE}")],
)
def test_directory_others_can_write_is_not_trusted(root: Path, shell: str, mode: int, gid: int, why: str) -> None:
    (root / "d").mkdir()
    (root / "d" / "f").write_text("x")
    give(root / "d", 0, gid, mode)
    assert trusts(root / "d" / "f", shell) == f"no: {root}/d {why} (it belongs to uid 0)"


def test_directory_that_roots_own_group_can_write_is_trusted(root: Path) -> None:
    (root / "d").mkdir()
    (root / "d").chmod(0o775)
    assert trusts(root / "d") == "yes"


@pytest.mark.parametrize("shell", SHELLS)
def test_acl_behind_the_bits_of_roots_group_is_not_trusted(root: Path, shell: str) -> None:
    (root / "d").mkdir()
    subprocess.run([TOOLS / "setfacl", "-m", f"u:{EVE}:rwx", root / "d"], check=True)
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o775
    verdict = {"dash": "has an ACL by which others can write it"}.get(
        shell, "can be written by its group, and ls does not show ACLs here"
    )
    assert trusts(root / "d", shell) == f"no: {root}/d {verdict}"
    as_user(EVE, "touch", str(root / "d" / "eve was here"))


def test_acl_without_write_permission_is_trusted(root: Path) -> None:
    (root / "d").mkdir()
    subprocess.run([TOOLS / "setfacl", "-m", f"u:{EVE}:r-x", root / "d"], check=True)
    assert trusts(root / "d") == "yes"


@BOTH
def test_links_of_root_are_followed_one_by_one(root: Path, shell: str) -> None:
    (root / "real" / "deep").mkdir(parents=True)
    (root / "real" / "deep" / "f").write_text("x")
    (root / "one").symlink_to("real/deep")
    (root / "two").symlink_to(root / "one")
    assert answer(f'say trusted_path {root}/two//f; echo "$real"', shell) == f"yes\n{root}/real/deep/f"
    assert answer(f'say trusted_path {root}/two/../deep/f; echo "$real"', shell) == f"yes\n{root}/real/deep/f"


@BOTH
def test_link_of_another_user_is_not_trusted(root: Path, eves: Path, shell: str) -> None:
    (root / "f").write_text("x")
    (eves / "link").symlink_to(root / "f")
    assert trusts(eves / "link", shell) == f"no: {eves} belongs to uid {EVE}"
    (root / "link").symlink_to(root / "f")
    give(root / "link", EVE)
    assert trusts(root / "link", shell) == f"no: {root}/link belongs to uid {EVE}"


@BOTH
def test_roots_link_through_the_directory_of_another_user_is_not_trusted(root: Path, eves: Path, shell: str) -> None:
    (root / "f").write_text("x")
    (eves / "back").symlink_to(root)
    (root / "link").symlink_to(eves / "back" / "f")
    assert trusts(root / "link", shell) == f"no: {eves} belongs to uid {EVE}"


@BOTH
def test_link_loop_is_refused(root: Path, shell: str) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert "more than 40 symbolic links" in trusts(root / "a", shell)


@BOTH
def test_dangling_link_of_root_is_judged_by_the_nearest_directory(root: Path, eves: Path, shell: str) -> None:
    (root / "link").symlink_to("gone/further")
    verdict = answer(f'say trusted_path {root}/link; echo "$missing $real"', shell)
    assert verdict == f"yes\nyes {root}/gone/further"
    (root / "other").symlink_to(eves / "gone")
    assert trusts(root / "other", shell) == f"no: {eves} belongs to uid {EVE}"


@BOTH
def test_sticky_directory_is_trusted_for_roots_files_not_for_new_ones(root: Path, shell: str) -> None:
    (root / "t").mkdir()
    (root / "t").chmod(0o1777)
    (root / "t" / "mine").write_text("x")
    as_user(EVE, "touch", str(root / "t" / "eves"))
    assert trusts(root / "t" / "mine", shell) == "yes"
    assert trusts(root / "t" / "eves", shell) == f"no: {root}/t/eves belongs to uid {EVE}"
    new = f"no: {root}/t is a directory where every user can make a name"
    assert trusts(root / "t" / "new", shell) == new
    (root / "t" / "d").mkdir()
    assert trusts(f"{root}/t/d/../new", shell) == new


@BOTH
def test_hard_link_in_a_sticky_directory_is_not_trusted(root: Path, shell: str) -> None:
    (root / "t").mkdir()
    (root / "t").chmod(0o1777)
    (root / "shadow").write_text("x")
    os.link(root / "shadow", root / "t" / "planted")  # any user can, if fs.protected_hardlinks is 0
    assert "has 2 names" in trusts(root / "t" / "planted", shell)


@BOTH
@pytest.mark.parametrize("name", ["new\nline", "-n", "*", "sp ace ", "\xe9\xff", "a\\b", "'", "\n"])
def test_path_with_unusual_characters_is_judged_unchanged(root: Path, shell: str, name: str) -> None:
    odd = root / name
    odd.mkdir()
    (odd / "f").write_text("x")
    assert trusts(odd / "f", shell) == "yes"
    give(odd, EVE)
    verdict = trusts(odd / "f", shell)
    assert verdict.startswith("no: ")
    assert verdict.endswith(f" belongs to uid {EVE}")
    assert verdict.isascii()
    assert "\n" not in verdict


@BOTH
def test_link_to_a_name_with_a_newline_is_followed(root: Path, shell: str) -> None:
    (root / "new\n").mkdir()
    (root / "new\n" / "f").write_text("x")
    (root / "new").mkdir()
    give(root / "new", EVE)
    (root / "link").symlink_to("new\n")
    assert trusts(root / "link" / "f", shell) == "yes"


@BOTH
@pytest.mark.parametrize("path", ["relative", "", "/proc/self/root/etc/passwd", "/dev/stdin", "/etc/passwd/x"])
def test_paths_without_a_fixed_meaning_are_refused(shell: str, path: str) -> None:
    assert trusts(path, shell).startswith("no: ")


def test_user_trusts_its_own_files_and_those_of_root(root: Path, eves: Path) -> None:
    (eves / "f").write_text("x")
    give(eves / "f", EVE)
    (root / "f").write_text("x")
    assert trusts(eves / "f", uid=EVE) == "yes"
    assert trusts(root / "f", uid=EVE) == "yes"
    give(root / "f", EVE + 1)
    assert trusts(root / "f", uid=EVE).startswith("no: ")


@BOTH
@pytest.mark.parametrize("uid", [0, EVE])
def test_file_system_that_another_user_mounted_is_not_trusted(root: Path, shell: str, uid: int) -> None:
    """A program of the user's (FUSE) makes up the owners and modes that are seen there."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        device = os.minor(Path(file.name).stat().st_dev)
        line = f"99 1 0:{device} / /dev/shm rw shared:1 - fuse.sshfs x rw,user_id={uid},group_id=0,allow_other\n"
        (root / "mounts").write_text(line)
        verdict = answer(f"t_mounts={root}/mounts; t_foreign=unread; say trusted_path {file.name}", shell)
    assert verdict == ("yes" if uid == 0 else "no: /dev/shm is on a file system that another user mounted")


def test_swapped_link_never_makes_a_path_trusted(root: Path, eves: Path) -> None:
    (root / "good").write_text("good")
    demote = ("setpriv", f"--reuid={EVE}", f"--regid={EVE}", "--clear-groups")
    with started(*demote, sys.executable, "-c", SWAP, str(eves), str(root / "good")):
        while not (eves / "link").is_symlink():
            time.sleep(0.01)
        script = f"n=0; while [ $n -lt 150 ]; do n=$((n + 1)); say trusted_path {eves}/link; done | sort | uniq -c"
        verdict = answer(script).split(None, 1)
        assert verdict == ["150", f"no: {eves} belongs to uid {EVE}"]


@BOTH
def test_read_trusted_reads_regular_files_of_a_limited_size(root: Path, shell: str) -> None:
    (root / "f").write_text("content\n")
    assert answer(f"say read_trusted {root}/f", shell) == "content\nyes"
    os.mkfifo(root / "fifo")
    assert answer(f"say read_trusted {root}/fifo", shell) == f"no: {root}/fifo is not a regular file"
    with (root / "huge").open("wb") as huge:
        huge.truncate(10**12)
    assert answer(f"say read_trusted {root}/huge", shell) == f"no: {root}/huge has 1000000000000 bytes (limit 8000000)"
    assert answer(f"say read_trusted {root}/none", shell) == f"no: {root}/none does not exist"


@BOTH
def test_file_of_another_user_is_trusted_only_as_an_entry_of_root(root: Path, eves: Path, shell: str) -> None:
    (root / "key").write_text("x")
    give(root / "key", EVE, mode=0o666)
    (root / "link").symlink_to("key")
    for name in ("key", "link"):
        assert answer(f'say trusted_entry {root}/{name}; echo "$real"', shell) == f"yes\n{root}/key"
    (eves / "key").write_text("x")
    os.mkfifo(root / "fifo")
    give(root / "fifo", EVE)
    (root / "t").mkdir()
    (root / "t").chmod(0o1777)
    as_user(EVE, "touch", str(root / "t" / "key"))
    for name in ("eve/key", "fifo", "t/key"):
        assert answer(f"say trusted_entry {root}/{name}", shell).endswith(f" belongs to uid {EVE}"), name


# --- processes ---


@pytest.fixture
def sleeper(root: Path) -> Path:
    """Make a program of root's that sleeps."""
    return Path(shutil.copy("/usr/bin/sleep", root / "sleeper"))


@contextmanager
def running(*words: str, uid: int = 0, argv0: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program as long as the context lasts."""
    demote = ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
    run = ["/bin/bash", "-c", 'exec -a "$0" "$@"', argv0, *words] if argv0 else [*words]
    with started(*demote, *run) as process:
        while Path(f"/proc/{process.pid}/exe").resolve() != Path(words[0]).resolve():
            time.sleep(0.005)
        yield process


@BOTH
def test_process_of_root_is_trusted_with_program_and_arguments(sleeper: Path, shell: str) -> None:
    with running(str(sleeper), "60") as process:
        verdict = answer(f'say trusted_process {process.pid}; echo "$bin"; echo "$words"', shell)
        assert verdict == f"yes\n{sleeper}\n{sleeper}\n60"


@BOTH
def test_process_of_another_user_is_not_trusted(sleeper: Path, shell: str) -> None:
    with running(str(sleeper), "60", uid=EVE) as process:
        verdict = answer(f"say trusted_process {process.pid}", shell)
        assert verdict == f"no: process {process.pid} named sleeper belongs to uid {EVE}"


@BOTH
def test_process_of_root_with_the_program_of_another_user_is_not_trusted(eves: Path, shell: str) -> None:
    program = Path(shutil.copy("/usr/bin/sleep", eves / "nginx"))
    with running(str(program), "60") as process:
        verdict = answer(f"say trusted_process {process.pid}", shell)
        assert verdict == f"no: process {process.pid} named nginx: {eves} belongs to uid {EVE}"


def test_setuid_program_that_a_user_started_is_not_roots(root: Path) -> None:
    program = root / "setuid"
    shutil.copy("/usr/bin/sleep", program)
    program.chmod(0o4755)
    with running(str(program), "60", uid=EVE) as process:
        assert Path(f"/proc/{process.pid}").stat().st_uid == 0
        verdict = answer(f"say trusted_process {process.pid}")
        assert verdict == f"no: process {process.pid} named setuid belongs to uid {EVE}"


def test_worker_of_a_trusted_process_with_the_same_program_is_trusted(root: Path) -> None:
    program = root / "daemon"
    shutil.copy(Path(sys.executable).resolve(), program)
    home = {"PYTHONHOME": sys.base_prefix}
    with started(str(program), "-c", WORKER, env=home) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        try:
            while f"Uid:\t{EVE}" not in Path(f"/proc/{worker}/status").read_text():
                time.sleep(0.005)
            verdict = answer(f'say trusted_process {worker}; echo "[$words]"')
        finally:
            os.kill(worker, signal.SIGKILL)
    assert verdict == "yes\n[]", "its words could be rewritten"


def test_process_in_a_mount_namespace_is_trusted_if_its_files_are_equal(
    root: Path,
) -> None:
    sleeper = Path(shutil.copy("/usr/bin/tail", root / "daemon"))
    (root / "conf").write_text("real")
    (root / "other").write_text("other")
    command = f"mount --bind {root}/other {root}/conf; exec {sleeper} -f {root}/conf"
    with started("unshare", "--mount", "--propagation", "private", "sh", "-c", command) as process:
        while Path(f"/proc/{process.pid}/exe").resolve() != sleeper:
            time.sleep(0.005)
        verdict = answer(f"say trusted_process {process.pid}; say trusted_words {process.pid}")
        assert verdict == f"yes\nno: process {process.pid} sees another file as {root}/conf"


def test_program_mounted_over_the_hosts_own_is_not_trusted(root: Path, sleeper: Path) -> None:
    shutil.copy(sleeper, root / "other")
    command = f"mount --bind {root}/other {sleeper}; exec {sleeper} 60"
    with started("unshare", "--mount", "--propagation", "private", "sh", "-c", command) as process:
        while Path(f"/proc/{process.pid}/comm").read_text() != "sleeper\n":
            time.sleep(0.005)
        assert "is not the host's own" in answer(f"say trusted_process {process.pid}")


@BOTH
def test_arguments_that_name_files_of_another_user_are_not_trusted(
    root: Path, eves: Path, sleeper: Path, shell: str
) -> None:
    (root / "conf").write_text("x")
    (eves / "conf").write_text("x")
    for words, verdict in {
        ("60", f"-c{root}/conf"): "yes",
        ("60", "-c", f"{root}/conf"): "yes",
        ("60", f"-c{eves}/conf"): f"no: {eves} belongs to uid {EVE}",
        ("60", "-c", f"{eves}/conf"): f"no: {eves} belongs to uid {EVE}",
        ("60", f"--file={eves}/conf"): f"no: {eves} belongs to uid {EVE}",
        ("60", "-c", "relative"): "no: process PID names relative, which depends on its directory",
        ("60", "-crelative"): "no: process PID names -crelative, which depends on its directory",
        ("60", "some/where"): "no: process PID names some/where, which depends on its directory",
    }.items():
        with started("/bin/sh", "-c", f"{sleeper} 60; :", *words) as process:
            script = (
                f'bin={sleeper}; words="{chr(10).join([str(sleeper), *words])}"; say trusted_words {process.pid} -c'
            )
            assert answer(script, shell) == verdict.replace("PID", str(process.pid)), words


@BOTH
def test_run_trusted_limits_time_and_gives_a_clean_environment(root: Path, shell: str) -> None:
    program = root / "program"
    program.write_text('#!/bin/sh\nread -r line; echo "[$line] [$LD_PRELOAD] [$MORE] $#"\n')
    program.chmod(0o755)
    script = f"LD_PRELOAD=; EVIL=1; export EVIL; run_env='MORE=a b'; run_trusted {program} 'one word'"
    assert run_trust(script, shell, stdin=b"input\n").stdout == "[] [] [a b] 1\n"
    program.write_text("#!/bin/sh\ntrap '' TERM\nexec sleep 60\n")
    before = time.monotonic()
    # the shell reads limit_s when it reads paths.sh: here the limit itself is set
    done = run_trust(f"limit='timeout -k 1 1'; run_trusted {program}; echo $?", shell)
    assert time.monotonic() - before < 40, done


@BOTH
def test_run_as_process_has_the_variables_of_a_process_of_root(shell: str) -> None:
    its_own = dict.fromkeys(("LD_LIBRARY_PATH", "NOTIFY_SOCKET", "HAPROXY_MWORKER", "HOME"), "/x")
    with started("/bin/sleep", "60", env={"EDGE": "a 'b'=c", **its_own}) as process:
        lines = answer(f"run_as_process {process.pid} /usr/bin/env", shell).splitlines()
    assert "EDGE=a 'b'=c" in lines
    assert "HOME=/root" in lines
    assert {line.partition("=")[0] for line in lines} - {"PWD", "SHLVL", "OLDPWD", "_"} == {
        "EDGE", "HOME", "LC_ALL", "PATH",
    }  # fmt: skip


@BOTH
def test_run_as_process_has_no_variable_of_a_process_of_another_user(shell: str) -> None:
    demoted = ("/usr/bin/setpriv", f"--reuid={EVE}", f"--regid={EVE}", "--clear-groups")
    with started(*demoted, "/bin/sh", "-c", "echo; exec sleep 60", env={"EDGE": "1", "PATH": "/bin"}) as process:
        assert process.stdout
        process.stdout.readline()
        assert "EDGE" not in answer(f"run_as_process {process.pid} /usr/bin/env", shell)
    assert "HOME=/root" in answer("run_as_process 0 /usr/bin/env", shell)


@BOTH
def test_run_trusted_does_not_run_the_program_of_another_user(eves: Path, shell: str) -> None:
    program = eves / "nginx"
    program.write_text(f"#!/bin/sh\nid -u >{eves}/euid\n")
    give(program, EVE, mode=0o755)
    done = run_trust(f"run_trusted {program} -V", shell)
    assert done.returncode == 77
    assert done.stderr.strip() == f"{program} is not run: {eves} belongs to uid {EVE}"
    assert not (eves / "euid").exists()


def test_time_is_limited_on_a_host_without_timeout(root: Path) -> None:
    folder = root / "bin"
    folder.mkdir()
    for name in ("sh", "id", "tr", "printf", "stat", "readlink", "sed", "sleep", "env", "cat"):
        found = shutil.which(name, path="/usr/bin:/bin")
        assert found
        (folder / name).symlink_to(found)
    program = root / "slow"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    before = time.monotonic()
    done = run_trust(f"limit_s=1; run_trusted {program}; echo $?", path=str(folder))
    assert done.stdout.strip() == "137"
    assert time.monotonic() - before < 40
