"""One hindcast that many tests look at, and a cache that holds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from .commands import ROKE, Outcome, run, tracker

settings.register_profile("repeatable", derandomize=True)  # the same examples in every run
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Best tracks are the shipped ones, whatever was fetched on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TYPHOON_TRACKER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """The terminal and the folder of a run."""
    folder = tmp_path_factory.mktemp("run") / "roke"
    outcome = run(*ROKE, "--lead", "3h", "--model", "persistence", "--out", folder)
    assert outcome.code == 0, outcome.err
    return outcome, folder


@pytest.fixture(scope="session")
def cds_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same storm's fields as a file of the Climate Data Store."""
    path = tmp_path_factory.mktemp("fields") / "roke.nc"
    outcome = tracker("reconstruct", *ROKE, "--out", path)
    assert outcome.code == 0, outcome.err
    return path


@pytest.fixture
def no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the slowest output where the test is not about it."""
    from typhoon_tracker.plot import track_map

    def nothing(*arguments: Any, **options: Any) -> None:
        pass

    monkeypatch.setattr(track_map, "draw", nothing)
    monkeypatch.setattr(track_map, "save", nothing)
