"""The storms, written once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("lightning")
pytest.importorskip("torchmetrics")
from tests.downscale.samples import patch_file
from typhoon_tracker.sources.patches import Patch, open_patches


@pytest.fixture(scope="session")
def storms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return patch_file(tmp_path_factory.mktemp("storms") / "storms.nc")


@pytest.fixture(autouse=True)
def no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the learning curve, the slowest output of a tiny training."""
    from typhoon_tracker.downscale import fit

    monkeypatch.setattr(fit.report, "draw", lambda *_, **__: None)


@cache
def _read(path: str) -> list[list[Patch]]:
    return [list(storm) for storm in open_patches(path)]


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the storms that a test before has read."""
    from typhoon_tracker.downscale import data

    monkeypatch.setattr(data, "open_patches", _read)
