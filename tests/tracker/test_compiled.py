"""Compiled functions where their code can be kept, and where it cannot."""

from __future__ import annotations

import pytest
from numba.core import caching

from typhoon_tracker.tracker.compiled import compiled


def twice(value: float) -> float:
    return 2.0 * value


def test_without_a_folder_to_write_to_it_compiles_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(locator: object) -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)
    assert compiled(twice)(21.0) == 42.0
