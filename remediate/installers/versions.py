"""What is asked of the versions that lie on a host: whose the files at the configured paths are, and what is in one.

It refuses to know services and processes, and changes nothing.
"""

from __future__ import annotations

from typing import Final

from remediate.action import Command
from remediate.installers.files import Installation

_STRANGERS: Final = r"""
folder=$root/$case/$1
shift
while [ $# -gt 0 ]; do
  [ "$(readlink "$1")" = "$folder/live$1" ] || echo "$1"
  shift 2
done
"""


def strangers(installation: Installation) -> Command:
    """Return the command that prints the paths at which other files stand than our links."""
    own = installation.folder.rpartition("/")[2]
    return installation.premises.looking("look whose the files are", _STRANGERS, own, *installation.pairs)


_LEAF: Final = r"""
version=$root/$case/$1/$2
shift 2
while [ $# -gt 0 ]; do
  case $2 in *l*)
    sed -n "/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/{p;/^-----END/q;}" "$version$1" || exit 1
    exit
  esac
  shift 2
done
"""


def leaf_of(installation: Installation, name: str) -> Command:
    """Return the command that prints the leaf of a version."""
    own = installation.folder.rpartition("/")[2]
    return installation.premises.looking(f"look at version {name}", _LEAF, own, name, *installation.pairs)
