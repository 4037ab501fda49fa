"""A program that keeps the versions of a certificate in one file, as a secret store does.

It is called with a verb, the folder of the service, and the arguments of the verb. It writes the version in use to the
file `served` in that folder.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


class Store:
    """The versions and the switch of one service; `folder/served` is what it serves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "store.json"
        empty: dict[str, Any] = {
            "versions": {},
            "events": [],
            "live": None,
            "proven": None,
            "before": None,
            "rejected": [],
        }
        self.state = json.loads(self.file.read_text()) if self.file.exists() else empty

    def write(self, path: Path, text: str) -> None:
        temporary = path.with_suffix(".new")
        temporary.write_text(text)
        temporary.rename(path)

    def record(self, version: str, state: str, detail: str = "") -> None:
        self.state["events"].append([int(time.time()), version, state, detail])
        self.write(self.file, json.dumps(self.state))

    def use(self, version: str) -> None:
        if not (self.folder / "ignores-activation").exists():
            self.write(self.folder / "served", self.state["versions"][version])
        self.state["live"] = version

    def destroy(self, version: str) -> None:
        del self.state["versions"][version]
        self.write(self.file, json.dumps(self.state))

    def stage(self, version: str, key: str, leaf: str, chain: str) -> None:
        self.state["versions"][version] = leaf + chain + Path(key).read_text()
        self.write(self.file, json.dumps(self.state))

    def activate(self, version: str) -> None:
        if self.state["proven"] is None:
            self.state |= {"proven": "0", "live": "0"}
            self.state["versions"]["0"] = (self.folder / "served").read_text()
        self.record(version, "switching")
        self.use(version)
        self.record(version, "waiting")

    def confirm(self, version: str) -> None:
        if self.state["proven"] != version:
            self.state |= {"before": self.state["proven"], "proven": version}
        self.record(version, "confirmed")

    def revert(self, version: str, mark: str) -> None:
        self.state["rejected"] += [version] if mark else []
        self.use(self.state["proven"])
        self.record(version, "returned")

    def status(self) -> None:
        sys.stdout.write(json.dumps({**self.state, "versions": list(self.state["versions"])}))

    def inspect(self, version: str) -> None:
        text = self.state["versions"].get(version, "")
        sys.stdout.write(text.partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----" if text else "")

    def prune(self) -> None:
        kept = {self.state[name] for name in ("live", "proven", "before")}
        self.state["versions"] = {name: text for name, text in self.state["versions"].items() if name in kept}
        self.write(self.file, json.dumps(self.state))

    def release(self) -> None:
        self.state["rejected"] = []
        self.write(self.file, json.dumps(self.state))

    def requirements(self) -> None:
        sys.stdout.write("the store is sealed" if (self.folder / "sealed").exists() else "")


if __name__ == "__main__":
    getattr(Store(Path(sys.argv[2])), sys.argv[1])(*sys.argv[3:])
