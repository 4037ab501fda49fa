"""`python -m tests.lab DIR`: serve the lab until interrupted, with `DIR/lab.json` saying what there is to audit."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from tests.lab.lab import serve


async def stay(folder: Path, *labels: str) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serve(folder, *labels) as lab:
        what = f"{len(lab.endpoints)} endpoints and the services of {lab.hosts[0]}"
        sys.stdout.write(f"{what}, until interrupted; see {folder / 'lab.json'}\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("folder", metavar="DIR", type=Path, help="where lab.json and what it names are written")
    parser.add_argument(
        "labels", metavar="LABEL", nargs="*", help="serve only the endpoints of these names in lab.test"
    )
    options = parser.parse_args()
    asyncio.run(stay(options.folder.absolute(), *options.labels))


if __name__ == "__main__":
    main()
