"""The former place of the program: installed timers and jobs start `python -m pytest_sslaudit.checkallsslcerts`."""

from __future__ import annotations

import sys

from pytest_sslaudit.cli.checkallsslcerts import main

if __name__ == "__main__":
    sys.exit(main())
