"""Of a reply of WHM API 1 only the result and a few fields are read, whatever the program printed."""

from __future__ import annotations

import json
import subprocess

import pytest

from remediate.cpanel.panel import Panel

BUNDLE = "-----BEGIN CERTIFICATE-----\nMII/b+c=\n-----END CERTIFICATE-----"
KEY_LINES = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIB\n" * 40
KEY = f"-----BEGIN PRIVATE KEY-----\n{KEY_LINES}-----END PRIVATE KEY-----"
COMPONENTS = {
    "data": {
        "services": [
            {"service": "ftp", "certificate": None, "key": None, "cabundle": "", "certificate_info": None},
            {
                "service": "exim", "certificate": BUNDLE, "key": KEY, "cabundle": BUNDLE,
                "certificate_info": {"domains": ["a.example"], "is_self_signed": 0, "not_after": "1826996828"},
            },
        ]
    },
    "metadata": {"command": "fetch_service_ssl_components", "reason": "OK", "result": 1, "version": 1},
}  # fmt: skip
WHOLE = json.dumps(COMPONENTS)


def read(printed: str, wanted: str = "", status: int = 0) -> str:
    """Return the fields that are read of this output and exit status."""
    call = f'within() {{ printf "%s" "$PRINTED"; return {status}; }}\ncall_api "{wanted}" any\n'
    command = ["sh", "-c", Panel(api_limit_s=5).whm_api + call]
    environment = {"PRINTED": printed, "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("printed", [WHOLE, json.dumps(COMPONENTS, indent=2), WHOLE.replace("/", "\\/")])
def test_only_service_names_and_ca_certificates_are_read(printed: str) -> None:
    assert read(printed) == "done\n"
    assert read(printed, "services") == "done\nftp\nexim\n"
    assert read(printed, "bundle exim") == f"done\n{BUNDLE}\n"
    assert read(printed, "bundle ftp") == "done\n\n"
    assert read(printed, "bundle chat") == "done\n"


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ('{"metadata":{"result":"1"}}', "done"),
        ('{"metadata":{"result":0,"reason":"No \\"thing\\" as \\u0041\\/b\\nhere"}}', 'refused No "thing" as ?/b here'),
        ('{"metadata":{"result":0}}', "refused"),
        (json.dumps({"metadata": {"result": 0, "reason": f"bad {KEY}"}}), "refused bad"),
        (json.dumps({"metadata": {"result": 0, "reason": KEY.split("\n")[1]}}), "refused (a long word)"),
        ('{"data":', "broken 7"),
        ('{"metadata":{"result":1}} and more', "broken 7"),
        ('{"metadata":{"result":1}', "broken 7"),
        ('{"metadata":{"result":1}} {}', "broken 7"),
        ('{"metadata":{"result":1,}}', "broken 7"),
        ('{"data":{"metadata":{"result":1}}}', "broken 7"),
        ('{"metadata.result":1}', "broken 7"),
        ('"metadata"', "broken 7"),
        ("Segmentation fault", "broken 7"),
        ("  \n", "none 7"),
        ("", "none 7"),
    ],
)  # fmt: skip
def test_reply_is_classified_by_its_result(printed: str, expected: str) -> None:
    assert read(printed, status=7).strip() == expected


def test_endlessly_nested_reply_is_broken() -> None:
    for printed in ("[" * 3000, '{"a":' * 3000, '"' + "\\" * 9999):
        assert read(printed).partition("\n")[0] in ("", "broken 0")
