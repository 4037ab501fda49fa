"""The overlays: when they are built, and the errors where they cannot be built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.hosts import overlay
from tests.support.hosts.overlay import NEEDED, Layer, Unavailable, layer_of


def test_run_without_root_reports_what_is_left_out_and_how_to_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    line = overlay.left_out()
    assert line.startswith("Left out: the tests on real servers: ")
    assert "sudo make test" in line


def test_operating_system_other_than_debian_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"Debian's packages, .* apt-get is not here"):
        overlay.require_possible()


@pytest.mark.system
@pytest.mark.usefixtures("overlays")
def test_layer_is_rebuilt_if_incomplete_or_made_from_another_recipe(tmp_path: Path) -> None:
    layer = Layer("main", tmp_path)
    assert not layer.is_built()
    (tmp_path / "built").write_text(layer.recipe.replace("nginx", "nginx-full"))
    assert not layer.is_built()
    (tmp_path / "built").write_text(layer.recipe)
    assert layer.is_built()


@pytest.mark.system
@pytest.mark.usefixtures("overlays")
@pytest.mark.parametrize("name", NEEDED)
def test_complete_layer_is_not_built_again(name: str) -> None:
    before = (layer_of(name).folder / "built").stat().st_mtime_ns
    assert overlay.build(name) == 0.0
    assert (layer_of(name).folder / "built").stat().st_mtime_ns == before


@pytest.mark.system
@pytest.mark.usefixtures("overlays")
def test_apt_starts_no_service_in_an_overlay() -> None:
    assert (layer_of("main").upper / "usr/sbin/policy-rc.d").read_text().endswith("exit 101\n")
