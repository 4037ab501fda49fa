"""The servers for port 80 in docs/repair.md serve validation files and redirect all else, in the real daemons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.hosts.host import Host, HostFile, running_host

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

NAME: Final = "www.example.com"
TOKEN: Final = "/.well-known/pki-validation/0123456789ABCDEF.txt"
CONTENT: Final = "a digest\nsectigo.com\na value\n"
GET: Final = f"""import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 80)
connection.request("GET", sys.argv[1], headers={{"Host": "{NAME}"}})
response = connection.getresponse()
print(response.status, response.getheader("Location", ""), response.read().decode(), end="")
"""
STARTS: Final = {
    "nginx": ("/etc/nginx/sites-enabled/default", "nginx -t && nginx", "nginx -s quit"),
    "apache": (
        "/etc/apache2/sites-enabled/000-default.conf",
        "a2enmod -q rewrite && apache2ctl -t && apache2ctl start",
        "apache2ctl stop",
    ),
}


def snippet(language: str) -> str:
    """Return the only block of a language in the document."""
    page = (CHECKOUT / "docs" / "repair.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def host(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - overlays skips or fails first
    with running_host("main", NAME) as running:
        running.write(HostFile(f"/var/www/html{TOKEN}", CONTENT))
        yield running


@pytest.mark.parametrize("daemon", STARTS)
def test_documented_server_serves_tokens_and_redirects_the_rest(host: Host, daemon: str) -> None:
    file, start, stop = STARTS[daemon]
    host.shell(f"rm -f {file}")
    host.write(HostFile(file, snippet(daemon)))
    host.shell(start)
    host.wait_for(80)
    responses = [host.do("python3", "-c", GET, path) for path in (TOKEN, "/shop?item=1", f"{TOKEN}x")]
    host.shell(f"{stop}; while ss -Hltn sport = :80 | grep -q .; do sleep 0.1; done")
    assert responses[0] == f"200  {CONTENT}"
    assert responses[1].startswith(f"301 https://{NAME}/shop?item=1 ")
    assert responses[2].startswith("404 ")
