"""Compiled functions where their code can be kept, and where it cannot."""

from __future__ import annotations

import pickle
from pathlib import Path

import numba
import pytest
from numba.core import caching, config

from typhoon_tracker.tracker.compiled import cache
from typhoon_tracker.tracker.compiled.cache import compiled


def twice(value: float) -> float:
    return 2.0 * value


def test_without_a_folder_to_write_to_it_compiles_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(locator: object) -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)
    assert compiled(twice)(21.0) == 42.0


def test_a_package_that_may_not_be_written_to_keeps_its_code_in_the_users_cache_until_any_file_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ensure = caching._CacheLocator.ensure_cache_path

    def refuse(locator: caching._CacheLocator) -> None:
        if Path(locator.get_cache_path()).name == "__pycache__":
            raise OSError("read-only file system")
        ensure(locator)

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def hits() -> int:
        function = compiled(twice)
        assert function(21.0) == 42.0
        return sum(function.stats.cache_hits.values())

    assert hits() == 0
    assert list(tmp_path.rglob("*.nbi"))
    assert hits() == 1
    monkeypatch.setattr(cache, "SOURCES", b"another state of the folder")
    assert hits() == 0


def test_code_kept_of_a_type_that_is_gone_is_compiled_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    assert compiled(twice)(21.0) == 42.0
    (index,) = tmp_path.rglob("*.nbi")
    index.write_bytes(pickle.dumps(numba.__version__) + b"ctyphoon_tracker.gone\nLayout\n.")
    assert compiled(twice)(21.0) == 42.0
