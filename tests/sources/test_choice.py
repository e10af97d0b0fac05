"""What `--fields` means, and that no two kinds of fields are ever mixed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

from tests.sources.simulated import SMALL, Simulated, assert_simulated
from typhoon_tracker.errors import InputError
from typhoon_tracker.sources import choice
from typhoon_tracker.sources.cache import Cache, days_of
from typhoon_tracker.sources.choice import ARCHIVES, FILES, RECONSTRUCTION, choose, day_source, open_chosen
from typhoon_tracker.sources.netcdf import write_cds

SPAN = (pd.Timestamp("2023-05-20T18"), pd.Timestamp("2023-05-22T05"))
DAYS = days_of(SPAN)
FETCH = "typhoon-tracker fetch --storm MAWAR --season 2023"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def chosen(word: str, cache: Cache) -> choice.Choice:
    return choose(word, SPAN, SMALL, fetch=FETCH, cache=cache)


def test_without_a_cache_auto_reconstructs_and_says_how_to_get_era5(cache: Cache) -> None:
    made = chosen("auto", cache)
    assert made.kind == RECONSTRUCTION
    assert made.note == f"fields are reconstructed: ERA5 is not in the cache; `{FETCH}` gets it."


@pytest.mark.parametrize("archive", ARCHIVES)
def test_auto_takes_what_the_cache_holds_whole(cache: Cache, archive: str) -> None:
    cache.fetch(Simulated(archive), DAYS, SMALL)
    made = chosen("auto", cache)
    assert made.kind == archive
    assert "--fields reconstruction" in made.note


def test_days_of_two_archives_are_not_put_together(cache: Cache) -> None:
    cache.fetch(Simulated("ncar"), DAYS[:1], SMALL)
    cache.fetch(Simulated("arco"), DAYS[1:], SMALL)
    made = chosen("auto", cache)
    assert made.kind == RECONSTRUCTION
    assert "in the cache for 2 of 3 days only" in made.note


def test_a_damaged_day_does_not_count(cache: Cache) -> None:
    cache.fetch(Simulated(), DAYS, SMALL)
    cache.path("ncar", DAYS[2], SMALL).write_bytes(b"")
    assert chosen("auto", cache).kind == RECONSTRUCTION


@pytest.mark.parametrize(
    ("word", "kind"),
    [("era5", "ncar"), ("NCAR", "ncar"), ("arco", "arco"), ("cds", "cds"), (" reconstruction ", RECONSTRUCTION)],
)
def test_words(cache: Cache, word: str, kind: str) -> None:
    assert chosen(word, cache) == choice.Choice(kind)


@pytest.mark.parametrize("path", ["/some/era5_*.nc", "s3://bucket/store.zarr"])
def test_patterns_and_urls_are_files(cache: Cache, path: str) -> None:
    assert chosen(path, cache) == choice.Choice(FILES, path=path)


@pytest.mark.parametrize(("word", "meant"), [("ncra", r"Did you mean ncar\?"), ("fields.nc", r"path that exists\.$")])
def test_what_is_neither_is_refused(cache: Cache, word: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"fields '{word}' are neither auto, reconstruction, .*{meant}"):
        chosen(word, cache)


def test_files_are_opened_over_the_span(cache: Cache, tmp_path: Path) -> None:
    whole = xr.concat(Simulated().days(DAYS, SMALL), "time", data_vars="all")
    path = write_cds(whole, tmp_path / "days.nc")
    fields = open_chosen(chosen(str(path), cache), SPAN, SMALL)
    assert_simulated(fields, SMALL)
    assert (fields.indexes["time"][0], fields.indexes["time"][-1]) == SPAN


def test_an_archive_is_fetched_once_and_shown(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Simulated()
    monkeypatch.setattr(choice, "day_source", lambda name: source)
    told: list[tuple[str, int, int]] = []
    for _ in range(2):
        fields = open_chosen(
            choice.Choice("ncar"), SPAN, SMALL, cache=cache, progress=lambda *state: told.append(state)
        )
        assert_simulated(fields, SMALL)
    assert source.asked == [DAYS]
    assert told == [("fetching ERA5, MB", n, 3) for n in (1, 2, 3)]


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_archive_has_its_source(name: str) -> None:
    assert day_source(name).name == name


def test_an_unknown_archive_is_refused() -> None:
    with pytest.raises(InputError, match="source 'aws' is not one of ncar, arco, cds"):
        day_source("aws")
