"""The switch: one script on the host changes the version in use, and goes back by itself unless it is confirmed.

It outlives whoever started it. Where it is stands in a file, whether it runs in the host's lock, which it holds; of a
confirmation and the end of its patience exactly one comes first, because both are a rename of the same file. It knows
no service, only commands, and of the way in which a version comes into use only its functions. A process that opens its
certificate before the one rename and its key after it is not to be helped by any order of renames: that is a time of
microseconds, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from remediate.action import Command, Done
from remediate.installers.files import AGREE, MIRROR, Installation
from remediate.installers.installer import Installer
from remediate.installers.way import ADOPT
from remediate.premises import PROLOGUE

State = Literal[
    "none",  # nothing was switched here yet
    "begun",
    "switching",  # from here on another version may be in use
    "switched",
    "taken-up",  # by every service
    "waiting",  # for a confirmation
    "confirmed",
    "returning",
    "returned",  # to the version that was proven last
    "refused",  # before anything was touched
    "kept",  # not confirmed, and told never to go back, or without a way back
]
TERMINAL: Final = frozenset({"none", "confirmed", "returned", "refused", "kept"})

_SAY: Final = r"""
say() { printf "%s %s %s %s\n" "$(date +%s)" "$name" "$1" "$2" >>state || :; }
prove() { [ "$(readlink proven)" = "$1" ] || { point before "$(readlink proven)"; point proven "$1"; }; }
"""

# $1: the folder, $2: the version, $3: seconds, $4: yes to go back, $5: how many paths; then paths and parts in turn,
# and for each service its name, its test, how it takes its files up and how it is revived, in shell.
# Nothing that is started here may hold the lock (descriptor 9) or our output: it may be a daemon.
_DETACHED: Final = r"""
cd "$1" || exit 1
folder=$1 name=$2 patience=$3 returns=$4 files=$5
shift 5
trap : HUP
trap leave TERM INT
limit=
timeout 1 true 2>/dev/null && limit="timeout 60"
leave() { mv "offer.$name" "withdrawn.$name" 2>/dev/null || :; }
try() {
  $limit sh -c "umask 022
$1" </dev/null >said 2>&1 9>&-
  status=$?
  said=$(tr -c "[:print:]" " " <said | cut -c 1-400)
  return $status
}
services() {
  what=$1
  shift $((1 + 2 * files))
  while [ $# -gt 0 ]; do
    case $what in
      test) try "$2" || { said="$1: $said"; return 1; } ;;
      take-up) try "$3" || { said="$1: $said"; return 1; } ;;
      return) try "$3" || try "$4" || say failed "$1: $said" ;;
    esac
    case "$what $said" in
      test*) ;;
      *gap*) say gap "$1 ${said##*gap }" ;;
    esac
    shift 4
  done
}
go_back() {
  why=$1
  shift
  [ "$returns" = yes ] && [ -L way-back ] || { say kept "$why"; exit 1; }
  say returning "$why"
  recall "$files" "$@" || { say kept "$why; and there is no way back: $said"; exit 1; }
  services return "$@"
  say returned "$why"
  exit 1
}
not_brought() {
  untouched "$files" "$@" || go_back "$said" "$@"
  [ ! -L way-back ] || mv -fT way-back live
  say refused "$said"
  exit 1
}
confirmed() { rm -f "taken.$name" way-back; say confirmed "$1"; exit 0; }
seconds() { read -r up rest </proc/uptime; echo "${up%%.*}"; }

if [ -e "taken.$(readlink live)" ]; then
  prove "$(readlink live)"
  [ "$(readlink live)" != "$name" ] || confirmed "before a crash"
fi
rm -f offer.* taken.* withdrawn.* way-back
back=$(readlink proven)
[ "$back" = "$name" ] || ln -s "$back" way-back || { say refused "no way back can be laid"; exit 1; }

said=$(agree "$name" "$files" "$@") || { say refused "$said"; exit 1; }
services test "$@" && before= || before=" (nor was it before)"
say switching "from $(readlink live)"
bring "$name" "$files" "$@" || not_brought "$@"
say switched ""
services test "$@" || go_back "the configuration is not good$before: $said" "$@"
services take-up "$@" || go_back "not taken up: $said" "$@"
say taken-up ""
[ "$patience" -gt 0 ] || { prove "$name"; confirmed "by nobody, as told"; }
: >"offer.$name"
say waiting "$patience s for a confirmation"
end=$(($(seconds) + patience))
while [ -e "offer.$name" ] && [ "$(seconds)" -lt "$end" ]; do sleep 0.1 2>/dev/null || sleep 1; done
mv "offer.$name" "withdrawn.$name" 2>/dev/null && go_back "not confirmed within $patience s" "$@"
[ -e "taken.$name" ] || go_back "called back" "$@"
prove "$name"
confirmed "in time"
"""

_START: Final = r"""
folder=$root/$case/$1 name=$2 patience=$3 returns=$4 files=$5 detached=$6
shift 6
cd "$folder" || fail 65 "nothing was laid ready in $folder"
case $name in proven | before) name=$(readlink "$name") || fail 65 "there is no such version" ;; esac
[ -d "$name" ] || fail 65 "version $name was not laid ready"
if [ -e "$name.modes" ]; then # it was put away when it was replaced
  while read -r mode path; do chmod "$mode" "$path"; done <"$name.modes"
  rm -f "$name.modes"
fi
said=$(agree "$name" "$files" "$@") || { say refused "$said"; fail 1 "$said"; }
adopt "$files" "$@"
say begun "$owner"
setsid sh -c "$detached" sslaudit-switch "$folder" "$name" "$patience" "$returns" "$files" "$@" \
  </dev/null >/dev/null 2>&1 &
echo "begun $name"
"""
# In this order: who finds the lock free before a state that is no end knows that nobody is at work.
_TELL: Final = r"""
tell() {
  echo "now $(date +%s)"
  if flock -n "$root/lock" true; then echo "lock free"; else echo "lock $(cat "$root/lock")"; fi
  [ ! -e state ] || tail -n 50 state | sed "s/^/state /"
  echo "live $(in_use "$@")"
  for link in proven before; do echo "$link $(readlink "$link")"; done
}
"""
_LOOK: Final = r"""
folder=$root/$case/$1
cd "$folder" 2>/dev/null || { echo "lock free"; exit 0; }
shift
tell "$@"
"""
_ANSWER: Final = r"""
folder=$root/$case/$1 name=$2 answer=$3
cd "$folder" || fail 65 "nothing was switched here"
shift 3
mv "offer.$name" "$answer.$name" 2>/dev/null || :
n=0
while [ $n -lt 50 ]; do
  case $(tail -n 1 state) in *" $name confirmed "* | *" $name returned "* | *" $name kept "*) break ;; esac
  if [ -e "taken.$name" ] && flock -n "$root/lock" true; then
    prove "$name"
    rm -f "taken.$name" way-back
    say confirmed "after the script had ended"
  fi
  n=$((n + 1))
  sleep 0.2 2>/dev/null || sleep 1
done
tell "$@"
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of what the script noted: when by the host's clock, of which version, what and why."""

    at: int  # seconds since 1970
    version: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a switch is. `holder` is who has the host's lock and since when, None where it is free."""

    moments: tuple[Moment, ...] = ()
    live: str | None = None
    proven: str | None = None
    before: str | None = None
    holder: str | None = None
    now: int = 0

    @property
    def last(self) -> Moment:
        """The last state that was noted."""
        states = get_args(State)
        found = (moment for moment in reversed(self.moments) if moment.state in states)
        return next(found, Moment(0, "", "none", ""))

    @property
    def is_running(self) -> bool:
        """Whether the script still has something to do and somebody holds the lock."""
        return self.last.state not in TERMINAL and self.holder is not None

    @property
    def was_interrupted(self) -> bool:
        """Whether the script ended before its end: to start it again is right."""
        return self.last.state not in TERMINAL and self.holder is None

    @property
    def gaps(self) -> tuple[tuple[str, float], ...]:
        """The services that had to be restarted since the switch began, and for how many seconds each was away."""
        begun = max((number for number, moment in enumerate(self.moments) if moment.state == "begun"), default=0)
        found = (moment.detail.split() for moment in self.moments[begun:] if moment.state == "gap")
        return tuple((words[0], float(words[1])) for words in found if len(words) > 1)

    @property
    def notes(self) -> tuple[str, ...]:
        """What else there was to tell since the switch began."""
        begun = max((number for number, moment in enumerate(self.moments) if moment.state == "begun"), default=0)
        return tuple(dict.fromkeys(moment.detail for moment in self.moments[begun:] if moment.state == "note"))


def start(
    installation: Installation, services: Sequence[Installer], version: str, *, patience_s: int, returns: bool = True
) -> Command:
    """Return the command that starts the switch to a version, and returns at once.

    `version` is a name, or `proven` or `before`: what was proven last, and what before that. Without a confirmation
    within `patience_s` (0: none is needed) it goes back; not where `returns` is false, as when the old key is known to
    others. A script that runs already holds the lock: then this ends with BUSY.
    """
    premises, way = installation.premises, installation.way
    texts = [text for service in services for text in _texts(service, premises.host)]
    own = installation.folder.rpartition("/")[2]
    options = (version, str(patience_s), "yes" if returns else "no", str(len(installation.placements)))
    detached = MIRROR + AGREE + way.looks + way.activates + _SAY + _DETACHED
    script = MIRROR + AGREE + way.looks + way.adopts + ADOPT + _SAY + _START
    why = f"switch {', '.join(one.name for one in services)} to version {version}{way.how}"
    return premises.locked(why, script, own, *options, detached, *installation.pairs, *texts)


def _texts(service: Installer, host: str) -> tuple[str, ...]:
    commands = (service.test(host), service.take_up(host), service.revive(host))
    return (service.name, *(command.script for command in commands))


def look(installation: Installation) -> Command:
    """Return the command that tells where the switch is."""
    own = installation.folder.rpartition("/")[2]
    script = AGREE + installation.way.looks + _TELL + _LOOK
    return installation.premises.looking("look where the switch is", script, own, *installation.counted)


def confirm(installation: Installation, version: str) -> Command:
    """Return the command that confirms a version and waits until that is noted; what it prints is for read_progress."""
    return _answer(installation, version, "taken")


def call_back(installation: Installation, version: str) -> Command:
    """Return the command that lets a waiting script go back now, and waits until it has."""
    return _answer(installation, version, "withdrawn")


def _answer(installation: Installation, version: str, word: str) -> Command:
    premises = installation.premises
    own = installation.folder.rpartition("/")[2]
    why = f"confirm version {version}" if word == "taken" else f"call version {version} back"
    given = (*premises.given, own, version, word, *installation.counted)
    return Command(
        premises.host, why, PROLOGUE + MIRROR + AGREE + installation.way.looks + _SAY + _TELL + _ANSWER, given
    )


def read_progress(done: Done) -> Progress:
    """Return what `look`, `confirm` and `call_back` print; of a host that printed nothing nothing is known."""
    words = [line.partition(" ")[::2] for line in done.output.splitlines()]
    said = dict(words)
    return Progress(
        tuple(_moments(rest for word, rest in words if word == "state")),
        said.get("live") or None,
        said.get("proven") or None,
        said.get("before") or None,
        None if said.get("lock", "free") == "free" else said["lock"],
        int(said["now"]) if said.get("now", "").isdigit() else 0,
    )


def _moments(lines: Iterable[str]) -> Iterator[Moment]:
    for line in lines:
        match = re.fullmatch(r"(?P<at>\d+) (?P<version>\S+) (?P<state>\S+) (?P<detail>.*)", line)
        if match:
            yield Moment(int(match["at"]), match["version"], match["state"], match["detail"])
