"""Finding a storm by name or serial id."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from typhoon_tracker.besttrack import ibtracs, shipped, storms
from typhoon_tracker.besttrack.agencies import BestTracks
from typhoon_tracker.errors import InputError


@pytest.fixture(scope="module")
def wmo() -> BestTracks:
    return shipped.load("wmo")


@pytest.mark.parametrize("spelling", ["MAWAR", "mawar", "  Mawar ", "2023138N05151", "2023138n05151 "])
def test_any_case_and_either_key(wmo: BestTracks, spelling: str) -> None:
    storm = storms.find(spelling, best=wmo)
    assert (storm.sid, storm.name, storm.season, storm.agency) == ("2023138N05151", "MAWAR", 2023, "wmo")
    assert set(storm.track["track_id"]) == {storm.sid}
    assert storm.track["time"].is_monotonic_increasing
    assert storm.source == wmo.source


@pytest.mark.parametrize("spelling", ["son-tinh", "Son Tinh", "SONTINH"])
def test_hyphens_do_not_matter(wmo: BestTracks, spelling: str) -> None:
    assert storms.find(spelling, season=2024, best=wmo).name == "SON-TINH"


def test_of_several_seasons_the_latest_is_taken_and_said(wmo: BestTracks) -> None:
    assert storms.find("mawar", best=wmo).note == "MAWAR exists in 2005, 2012, 2017 and 2023; taking 2023."
    assert storms.find("mawar", season=2012, best=wmo).sid == "2012152N12130"
    assert storms.find("mawar", season=2012, best=wmo).note == ""
    assert storms.find("2012152N12130", best=wmo).note == ""
    assert storms.find("haiyan", season=2013, best=wmo).note == ""


def test_both_agencies_by_name() -> None:
    tracks = [storms.find("DOKSURI", season=2023, agency=agency) for agency in ("jma", "jtwc")]
    assert [storm.sid for storm in tracks] == ["2023201N13134"] * 2
    assert [storm.agency for storm in tracks] == ["wmo", "jtwc"]


def test_a_misspelt_name_gets_the_nearest_with_their_seasons(wmo: BestTracks) -> None:
    with pytest.raises(InputError, match=r"no storm 'mawer' .* 1980-2024; .*MAWAR \(2005, 2012, 2017 and 2023\)"):
        storms.find("mawer", best=wmo)


def test_a_wrong_season_gets_those_of_the_name(wmo: BestTracks) -> None:
    with pytest.raises(InputError, match=r"MAWAR is not in season 2020 .* it exists in 2005, 2012, 2017 and 2023"):
        storms.find("mawar", season=2020, best=wmo)


def test_a_wrong_id_gets_the_nearest(wmo: BestTracks) -> None:
    with pytest.raises(InputError, match="the nearest ids are 2023138N05151"):
        storms.find("2023138N05152", best=wmo)


@pytest.mark.parametrize("nothing", ["", "  ", "---"])
def test_no_name_finds_no_unnamed_storm(wmo: BestTracks, nothing: str) -> None:
    with pytest.raises(InputError, match="no storm"):
        storms.find(nothing, best=wmo)


def test_a_season_in_order(wmo: BestTracks) -> None:
    found = storms.season_storms(2023, best=wmo)
    starts = [storm.track["time"].iloc[0] for storm in found]
    assert starts == sorted(starts)
    assert [storm.name for storm in found if storm.name][:3] == ["SANVU", "MAWAR", "GUCHOL"]
    assert sum(len(storm.track) for storm in found) == (wmo.table["season"] == 2023).sum()


def test_a_season_without_storms(wmo: BestTracks) -> None:
    with pytest.raises(InputError, match="no storm of season 1979; the wmo best tracks hold 1980 to 2024"):
        storms.season_storms(1979, best=wmo)


def test_names_of_a_file_are_its_own(ncei_csv: Path) -> None:
    best = ibtracs.load(path=ncei_csv, provisional=True)
    assert str(storms.find("unicorn", best=best)) == "UNICORN 2031 (2031150N10140, wmo)"
    unnamed = storms.find("2031181N10140", best=best)
    assert unnamed.name == ""
    assert str(unnamed).startswith("unnamed 2031")
    with pytest.raises(InputError, match="no storm 'UNNAMED'"):
        storms.find("UNNAMED", best=best)


def test_a_lookup_leaves_the_table_alone(wmo: BestTracks) -> None:
    before = wmo.table.copy()
    mine = storms.find("MAWAR", best=wmo).track
    mine.loc[:, "lat"] = 0.0
    pd.testing.assert_frame_equal(before, wmo.table)
