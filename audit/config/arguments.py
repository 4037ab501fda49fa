"""The command lines of our own programs: what is wrong with one is said and ends as pytest's usage errors do.

It knows no option of any program.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final, NoReturn

USAGE_ERROR: Final = 4  # pytest's exit status


class Parser(argparse.ArgumentParser):
    """A parser whose usage errors end as pytest's do."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")
