"""The parser of the command lines of our own programs: a wrong one ends with pytest's exit status."""

from __future__ import annotations

import argparse
import sys
from typing import Final, NoReturn

USAGE_ERROR: Final = 4  # pytest's exit status


class Parser(argparse.ArgumentParser):
    """A parser whose usage errors have the exit status of pytest's."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and exit."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")
