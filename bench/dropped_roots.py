"""Prints the table of `audit.x509.path.dropped_roots` from unpacked releases of certifi.

`python -m bench.dropped_roots FOLDER`: each folder in it is named by its release, and has a cacert.pem somewhere below.
To unpack a release: `pip download --no-deps certifi==RELEASE` and `python -m zipfile -e FILE FOLDER/RELEASE`.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.pem import certificates_in


def main(folder: Path) -> int:
    """Print a row for each root that the newest release does not have."""
    releases = sorted((place.name for place in folder.iterdir() if place.is_dir()), key=_number)
    roots = {release: _roots(folder / release) for release in releases}
    without: dict[str, tuple[str, Certificate]] = {}
    for release, following in pairwise(releases):
        gone = roots[release].keys() - roots[following].keys()
        without |= {spki: (following, roots[release][spki]) for spki in gone}
    rows = [(release, spki, root) for spki, (release, root) in without.items() if spki not in roots[releases[-1]]]
    for release, spki, root in sorted(rows, key=lambda row: (_number(row[0]), row[1])):
        key_id = root.subject_key_id.hex() if root.has_readable("subject_key_id") and root.subject_key_id else "-"
        print(f"{release:10} {spki} {key_id}")
    return 0


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".") if part.isdigit())


def _roots(release: Path) -> dict[str, Certificate]:
    """Return the roots of a release by the digests of their keys."""
    text = next(release.rglob("cacert.pem")).read_text(encoding="utf-8", errors="replace")
    certificates = map(read_certificate, certificates_in(text))
    return {root.spki_sha256: root for root in certificates if root.has_readable("spki_sha256")}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
