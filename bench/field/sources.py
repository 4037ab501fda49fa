"""The test data in the source packages of certbot's plugins for nginx and apache.

apt downloads the packages and verifies them by Debian's signed lists; nothing of them is kept or copied.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from bench.field.configuration import Configuration

PACKAGES: Final = ("python-certbot-nginx", "python-certbot-apache")
_DATA: Final = "/tests/testdata/"
_APT: Final = "/usr/bin/apt-get"
_SUITE: Final = "trixie"
_SOURCES: Final = """\
Types: deb-src
URIs: {site}
Suites: {suite}
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
_NGINX: Final = b"""\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {}
http {
	access_log off;
	ssl_certificate /etc/ssl/default.crt;
	ssl_certificate_key /etc/ssl/default.key;
	include /etc/nginx/sites-enabled/*;
}
"""


def source_configurations() -> Iterator[Configuration]:
    """Yield a configuration for each site and each tree of the test data."""
    data = {path: content for package in PACKAGES for path, content in _test_data(package).items()}
    yield from _nginx_sites(data)
    yield from _apache_trees(data)


def _test_data(package: str) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        archive = _download(package, Path(folder))
        with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as packed:
            return dict(_members(packed))


def _members(packed: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in packed:
        file = packed.extractfile(member) if _DATA in member.name and not member.isdir() else None
        if file:
            yield member.name.partition(_DATA)[2], file.read()


def _download(package: str, folder: Path) -> Path:
    """Return the verified archive of a package's original source."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "debian.sources").write_text(_SOURCES.format(site=_site(), suite=_SUITE))
    settings = {
        "Dir::Etc::SourceList": f"{folder}/debian.sources", "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": f"{folder}/lists", "Dir::Cache": f"{folder}/cache", "APT::Sandbox::User": "root",
        "Acquire::Retries": "3",
    }  # fmt: skip
    apt = [_APT, "-q", *(f"-o{name}={value}" for name, value in settings.items())]
    for arguments in (["update"], ["source", "--tar-only", package]):
        subprocess.run([*apt, *arguments], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return next(folder.glob("*.orig.tar.*"))


def _site() -> str:
    """Return the archive that this machine's own packages come from."""
    format_ = ("--format", "$(SITE)", "Component: main")
    listed = subprocess.run([_APT, "indextargets", *format_], capture_output=True, text=True, check=True)
    return next(site for site in listed.stdout.split() if site.endswith("/debian"))


def _nginx_sites(data: Mapping[str, bytes]) -> Iterator[Configuration]:
    """Yield each site alone, each file that is a whole configuration, and the whole trees."""
    sites = [path for path in data if path.startswith("etc_nginx/sites-enabled/")]
    for path in sites:
        site = f"/etc/nginx/sites-enabled/{PurePosixPath(path).name}"
        yield _nginx(PurePosixPath(path).name, {"/etc/nginx/nginx.conf": _NGINX, site: data[path]})
    commented = data["etc_nginx/valid_unicode_comments.conf"]
    files = {"/etc/nginx/nginx.conf": _NGINX, "/etc/nginx/sites-enabled/site": commented}
    yield _nginx("valid_unicode_comments.conf", files)
    tree = "etc_nginx/ubuntu_nginx_1_4_6/default_vhost/nginx/"
    yield _nginx("tree ubuntu_nginx_1_4_6", _below(data, tree, "/etc/nginx/"))


def _nginx(name: str, files: Mapping[str, bytes]) -> Configuration:
    return Configuration(f"certbot nginx {name}", "nginx", files, clears=("/etc/nginx/sites-enabled/*",))


def _apache_trees(data: Mapping[str, bytes]) -> Iterator[Configuration]:
    """Yield each tree for Debian, and each of its sites alone beside the package's own configuration."""
    trees = sorted({path.partition("/apache2/")[0] for path in data if path.startswith("debian_apache_2_4/")})
    for tree in (tree for tree in trees if f"{tree}/apache2/apache2.conf" in data):
        below = _below(data, f"{tree}/apache2/", "/etc/apache2/")
        files = {path: content for path, content in below.items() if "_svn" not in path}  # a package of its own
        yield Configuration(
            f"certbot apache tree {PurePosixPath(tree).name}",
            "apache",
            files,
            clears=("/etc/apache2/sites-enabled/*", "/etc/apache2/conf-enabled/*"),
        )
        available = [path for path in files if "/sites-available/" in path]
        for path in available:
            yield Configuration(
                f"certbot apache {PurePosixPath(tree).name}/{PurePosixPath(path).name}",
                "apache",
                {path.replace("-available", "-enabled").removesuffix(".conf") + ".conf": files[path]},
                clears=("/etc/apache2/sites-enabled/*",),
            )
    vhosts = {path: content for path, content in data.items() if path.startswith(("centos7", "gentoo"))}
    for path, content in vhosts.items():
        if b"<VirtualHost" in content:
            yield Configuration(
                f"certbot apache {path}", "apache", {"/etc/apache2/sites-enabled/site.conf": content},
                clears=("/etc/apache2/sites-enabled/*",),
            )  # fmt: skip


def _below(data: Mapping[str, bytes], folder: str, place: str) -> dict[str, bytes]:
    return {place + path[len(folder) :]: content for path, content in data.items() if path.startswith(folder)}
