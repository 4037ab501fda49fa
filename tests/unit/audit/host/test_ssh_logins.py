"""Which logins are tried again, what logins share, and how many of them may be unauthenticated at once."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace

import pytest
from testinfra.backend.base import BaseBackend

from audit.host.login.jump_hosts import JumpHost
from audit.host.login.ssh_configuration import LoginRoute, SshConfiguration, jump_uri, parse_configuration, shared_keys
from audit.host.login.ssh_connection import SshCommand, socket_file
from audit.host.login.unfinished_logins import SharedKey, UnfinishedLogins, pause_s, why_dropped

CLOSED = "Connection closed by 192.0.2.1 port 22"
JUMPS = {
    "ssh://bastion": {"hostname": "192.0.2.7"},
    "ssh://root@inner:2222": {"hostname": "10.0.0.7", "proxyjump": "bastion"},
    "ssh://by-command": {"hostname": "10.0.0.8", "proxycommand": "nc -X 5 %h %p"},
    "ssh://circle": {"hostname": "10.0.0.9", "proxyjump": "circle"},
}


def read(destination: str) -> Mapping[str, str]:
    return JUMPS.get(destination, {})


@pytest.mark.parametrize(
    "output",
    [
        "kex_exchange_identification: Connection closed by remote host\n" + CLOSED,
        "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 192.0.2.1 port 22",
        "ssh_exchange_identification: Connection closed by remote host",
        "Exceeded MaxStartups",
        "Not allowed at this time",
        "banner exchange: Connection to 192.0.2.1 port 22: Connection reset by peer",
    ],
)
def test_connection_dropped_at_its_start_is_tried_again(output: str) -> None:
    assert why_dropped(output, runs_command=True)


@pytest.mark.parametrize(
    "output", [CLOSED, "ssh_dispatch_run_fatal: Connection to UNKNOWN port 65535: Connection reset by peer"]
)
def test_login_that_broke_off_is_tried_again_unless_a_command_may_run(output: str) -> None:
    assert why_dropped(output, runs_command=False)
    assert why_dropped(output, runs_command=True) is None


@pytest.mark.parametrize(
    "output",
    [
        "root@web1: Permission denied (publickey).",
        "Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures\n" + CLOSED,
        "Host key verification failed.\n" + CLOSED,
        "ssh: connect to host web1 port 22: Connection refused",
        "ssh: connect to host web1 port 22: Connection timed out",
        "",
    ],
)
def test_refused_login_and_dead_host_are_not_tried_again(output: str) -> None:
    assert why_dropped(output, runs_command=False) is None


def test_pauses_between_attempts_grow_and_differ() -> None:
    assert [pause_s(number, lambda: 0.5) for number in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert pause_s(1, lambda: 0.0) < pause_s(1, lambda: 1.0)


@pytest.mark.parametrize(
    ("printed", "route"),
    [
        ("hostname 192.0.2.1\nproxyjump none\nproxycommand none", LoginRoute(("192.0.2.1",))),
        ("hostname 192.0.2.1\nport 2222", LoginRoute(("192.0.2.1 2222",))),
        ("hostname web1\nproxyjump bastion", LoginRoute(("192.0.2.7",), ("jump bastion",))),
        ("hostname web1\nproxyjump root@inner:2222", LoginRoute(("192.0.2.7",), ("jump inner", "jump bastion"))),
        ("hostname web1\nproxyjump by-command", LoginRoute((), ("jump by-command", "nc -X 5 %h %p"))),
        ("hostname web1\nproxyjump elsewhere", LoginRoute(("elsewhere",), ("jump elsewhere",))),
        ("hostname web1\nproxycommand ssh -W %h:%p bastion", LoginRoute((), ("ssh -W %h:%p bastion",))),
        ("", LoginRoute()),
    ],
)
def test_route_is_what_the_login_connects_to_first(printed: str, route: LoginRoute) -> None:
    assert SshConfiguration(parse_configuration(printed)).route(read) == route


def test_jump_hosts_in_a_circle_end() -> None:
    assert SshConfiguration({"hostname": "web1", "proxyjump": "circle"}).route(read).proxies == ("jump circle",)


def test_jump_host_is_given_to_ssh_as_a_uri() -> None:
    assert [jump_uri("a@b:22"), jump_uri("ssh://b")] == ["ssh://a@b:22", "ssh://b"]


def test_names_of_one_address_share_a_key() -> None:
    def resolve(name: str) -> tuple[str, ...]:
        return () if name == "unknown" else ("192.0.2.1",)

    def keys(route: LoginRoute) -> set[SharedKey]:
        return {*shared_keys(route, resolve)}

    assert keys(LoginRoute(("a",))) == keys(LoginRoute(("b",))) == {SharedKey("192.0.2.1")}
    assert keys(LoginRoute(("a 2222",))) == {SharedKey("192.0.2.1 2222")}
    assert keys(LoginRoute(("unknown",), ("jump b",))) == {SharedKey("unknown"), SharedKey("jump b", is_opaque=True)}
    assert keys(LoginRoute(("a",), behind="ssh://b")) == {SharedKey("ssh://b 192.0.2.1")}


@pytest.mark.parametrize(
    ("printed", "keeps"),
    [
        ("controlmaster auto\ncontrolpersist 60", True),
        ("controlmaster true\ncontrolpersist yes", True),
        ("controlmaster auto\ncontrolpersist no", False),
        ("controlmaster false\ncontrolpersist 60", False),
    ],
)
def test_user_keeps_a_master_by_control_master_and_persist(printed: str, *, keeps: bool) -> None:
    assert SshConfiguration(parse_configuration(printed)).keeps_master is keeps


class Turns:
    """Logins that take turns, each in a thread that holds its turn until the test ends."""

    def __init__(self, logins: UnfinishedLogins) -> None:
        self.logins, self.stop = logins, threading.Event()
        self.threads: list[threading.Thread] = []

    def begin(self, key: SharedKey) -> threading.Event:
        """Begin a login; return the event that is set when it has a turn."""
        begun = threading.Event()

        def hold() -> None:
            with self.logins.turn({key}, self.stop):
                begun.set()
                self.stop.wait()

        self.threads.append(threading.Thread(target=hold))
        self.threads[-1].start()
        return begun

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def turns() -> Iterator[Callable[..., Turns]]:
    """Return a function that makes logins with limits; none of their threads outlives the test."""
    made: list[Turns] = []

    def make(**limits: float) -> Turns:
        made.append(Turns(UnfinishedLogins(**limits)))  # type: ignore[arg-type]  # some are whole numbers
        return made[-1]

    yield make
    for group in made:
        group.end()


def test_login_beyond_the_limit_of_an_address_waits_for_its_turn() -> None:
    logins, stop, began = UnfinishedLogins(most=2), threading.Event(), threading.Event()
    near, far = SharedKey("192.0.2.1"), SharedKey("192.0.2.2")

    def third() -> None:
        with logins.turn({near, SharedKey("192.0.2.9")}, stop):
            began.set()

    thread = threading.Thread(target=third)
    with logins.turn({near}, stop), logins.turn({far}, stop):
        with logins.turn({near}, stop):
            thread.start()
            assert not began.wait(0.3)
        assert began.wait(60)
    thread.join()


def test_late_login_of_a_proxy_gives_its_turn_to_another(turns: Callable[..., Turns]) -> None:
    group, proxy = turns(most=1, late_s=0.2, most_late=1), SharedKey("nc %h %p", is_opaque=True)
    assert group.begin(proxy).wait(60)
    assert group.begin(proxy).wait(60)
    assert not group.begin(proxy).wait(0.6)  # no more late ones than these


def test_late_login_to_an_address_keeps_its_turn(turns: Callable[..., Turns]) -> None:
    group, address = turns(most=1, late_s=0.1), SharedKey("192.0.2.1")
    assert group.begin(address).wait(60)
    assert not group.begin(address).wait(0.6)


def test_stopped_run_waits_for_no_turn() -> None:
    logins, stop = UnfinishedLogins(most=1), threading.Event()
    stop.set()
    with logins.turn({SharedKey("a")}, stop), logins.turn({SharedKey("a")}, stop):
        pass


@pytest.mark.parametrize(
    ("printed", "jump"),
    [
        ("hostname web1\nproxyjump bastion", JumpHost("ssh://bastion", (), "file")),
        ("hostname web1\nproxyjump a,root@b:2222", JumpHost("ssh://root@b:2222", ("a",), "file")),
        ("hostname web1\nproxyjump %h-bastion", None),
        ("hostname web1\nproxyjump bastion\nproxycommand nc %h %p", None),
        ("hostname web1", None),
    ],
)
def test_jump_host_next_to_a_host_is_shared(printed: str, jump: JumpHost | None) -> None:
    assert JumpHost.of(SshConfiguration(parse_configuration(printed)), "file") == jump


def test_way_through_a_jump_host_keeps_its_words_together() -> None:
    jump = JumpHost("ssh://root@b:2222", ("a", "c"), "my file")
    option, value = shlex.split(jump.option("/run/100%/s"))
    assert (option, value[:13]) == ("-o", "ProxyCommand=")
    words = shlex.split(value.removeprefix("ProxyCommand="))
    assert words[:3] == ["ssh", "-W", "[%h]:%p"]
    assert words[3:7] == ["-o", "ControlMaster=no", "-o", "ControlPath=/run/100%%%%/s"]
    assert words[-6:] == ["-F", "my file", "-J", "a,c", "--", "ssh://root@b:2222"]
    assert jump.socket_name != JumpHost("ssh://root@b:2222", ("a",), "my file").socket_name


def test_jump_hosts_of_the_command_line_stay() -> None:
    assert SshCommand("-o User=root -J bastion web1", "id").names_jump
    assert not SshCommand("-o ProxyJump=bastion web1", "id").names_jump


@pytest.mark.parametrize(
    ("command", "arguments", "text", "password"),
    [
        ("ssh -T -o User=%s %s %s", ("root", "web1", "id -u"), "ssh -N -T -o User=root web1", None),
        ("ssh -o ProxyCommand=x%%h %s %s", ("web1", "id"), "ssh -N -o ProxyCommand=x%h web1", None),
        ("sshpass -p %s ssh -T %s %s", ("p w", "web1", "id"), "sshpass -e ssh -N -T web1", "p w"),
    ],
)
def test_command_of_testinfra_is_taken_apart(
    command: str, arguments: tuple[str, ...], text: str, password: str | None
) -> None:
    taken = SshCommand.of(BaseBackend.quote, command, arguments)
    assert taken.text("-N") == text
    assert (taken.password, taken.environment.get("SSHPASS")) == (password, password)
    assert "p w" not in repr(taken)


def test_logins_with_different_keys_share_no_socket() -> None:
    def backend(**changes: object) -> SimpleNamespace:
        host = SimpleNamespace(name="web1", user="root", port=None)
        given = {"ssh_config": None, "ssh_identity_file": None, "ssh_extra_args": None}
        return SimpleNamespace(host=host, **{**given, **changes})

    assert socket_file(backend()) == socket_file(backend())
    assert len({socket_file(backend(ssh_identity_file=file)) for file in (None, "a", "b")}) == 3
