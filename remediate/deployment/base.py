"""How a version of files comes to be what services find at their configured paths."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deployment:
    """The shell functions that a switch is made of; each takes how many paths there are, then paths and parts in turn.

    They work with the directory of the files, which is in `$folder`. `script` defines
    `is_ours PATH PARTS`: no other party has changed the path; `in_use`: prints the version in use;
    `known`: the paths hold a known version; `keep`: copies what they hold to `$old.part`;
    `bring VERSION` and `recall`, which brings `way-back`: leave in `$said` why they failed;
    `untouched`: a failed `bring` changed nothing; `recover`: reverts a `bring` that was interrupted;
    `reform`: makes links of earlier versions of this program files again.
    """

    script: str
    needs: str = ""  # shell that reports by `lacks` what a host lacks
    how: str = ""  # is added to the reason of a switch
