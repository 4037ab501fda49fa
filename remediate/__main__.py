"""`python -m remediate`: the same program as `sslaudit repair`."""

from __future__ import annotations

import sys

from remediate.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
