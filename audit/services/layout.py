"""What a panel makes of a host: services of its own, services it expects or has switched off, a folder of its own.

It knows no panel by name and runs nothing; each panel is one file beside this and one row of LAYOUTS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.observation import InstalledFile
from audit.observation.website import Website
from audit.services.service import Dump, Listener, shell_script


@dataclass(frozen=True, slots=True)
class Laid:
    """A service on a host: what it listens on or would, and whether it runs."""

    service: str
    listeners: tuple[Listener, ...]
    is_running: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A row of the table of layouts.

    `mark` is a file that is there where the panel is, and says its version. `values` are the variables, as words, of
    its script, which runs only there and is written as a service's is, but for a program. The functions are pure: the
    dump they are given is of the layout's own sections, and its `ports` are all that anything on the host listens on.

    `kept` leaves of a service that was found what is not switched off and not the panel's own. `services` are the
    panel's own, and those that it expects and that are not among the found. `websites` answer for the host's own name
    where none that was found does. `word` is the panel's own for a service whose certificate is installed through it.
    """

    name: str
    mark: str
    values: Mapping[str, tuple[str, ...]]
    kept: Callable[[Dump, Laid], tuple[Listener, ...]]
    services: Callable[[Dump, Sequence[Laid]], tuple[Laid, ...]]
    websites: Callable[[Dump, str, Sequence[Website]], tuple[Website, ...]]
    word: Callable[[str, Iterable[InstalledFile]], str | None]

    @property
    def script(self) -> str:
        """The body of a POSIX shell function: `shell/NAME.sh` after its variables."""
        variables = "".join(f"{name}='{' '.join(words)}'\n" for name, words in self.values.items())
        return variables + shell_script(self.name)
