"""The best tracks that ship with the project."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from typhoon_tracker import track
from typhoon_tracker.besttrack import ibtracs, ncei, shipped
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import distance

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "../shared/data/ibtracs_wp_1980_2025.csv"
MAWAR, DOKSURI = "2023138N05151", "2023201N13134"


@pytest.fixture(scope="module")
def wmo() -> pd.DataFrame:
    return shipped.load("wmo").table


@pytest.fixture(scope="module")
def jtwc() -> pd.DataFrame:
    return shipped.load("jtwc").table


@pytest.mark.parametrize("agency", ["wmo", "jtwc"])
def test_contract_span_and_provenance(agency: str) -> None:
    best = shipped.load(agency)
    table = track.validate(best.table)
    assert (table["season"].min(), table["season"].max()) == (1980, 2024)
    assert table["lon"].between(0, 360, inclusive="left").all()
    assert set(table["time"].dt.hour) == {0, 6, 12, 18}
    assert table["msl"].dropna().between(86_000, 103_000).all()
    assert table["wind"].dropna().between(3, 100).all()
    assert table["original"].all()
    assert shipped.PRECISION in best.source
    assert ("10-minute" if agency == "wmo" else "1-minute") in best.source


def test_mawar_and_doksuri_are_in_both_agencies_with_their_own_winds(wmo: pd.DataFrame, jtwc: pd.DataFrame) -> None:
    for sid, name in ((MAWAR, "MAWAR"), (DOKSURI, "DOKSURI")):
        for table in (wmo, jtwc):
            storm = table[table["track_id"] == sid]
            assert set(storm["name"]) == {name}
            assert set(storm["season"]) == {2023}
            assert len(storm) > 20
    strongest = [table[table["track_id"] == MAWAR]["wind"].max() for table in (wmo, jtwc)]
    assert strongest[1] > strongest[0]  # one-minute winds exceed ten-minute winds


def test_storms_do_not_jump(wmo: pd.DataFrame, jtwc: pd.DataFrame) -> None:
    for table in (wmo, jtwc):
        after = table.shift(-1)
        same = (table["track_id"] == after["track_id"]).to_numpy()
        hours = (after["time"] - table["time"]).dt.total_seconds().to_numpy() / 3600
        km = distance(table["lat"], table["lon"], after["lat"], after["lon"])
        assert (hours[same] == 6).all()
        assert km[same].max() / 6 < 220  # km/h, a storm swept up by the westerlies


def test_agencies_agree_on_where_the_storms_were(wmo: pd.DataFrame, jtwc: pd.DataFrame) -> None:
    both = wmo.merge(jtwc, on=["track_id", "time"])
    km = distance(both["lat_x"], both["lon_x"], both["lat_y"], both["lon_y"])
    assert np.median(km) < 30


def test_jma_rows_are_its_own(wmo: pd.DataFrame) -> None:
    assert (wmo["msl"].notna() | wmo["wind"].notna()).all()
    assert wmo["lon"].between(99, 182).all()


def test_positions_match_ibtracs_to_a_tenth_of_a_degree(wmo: pd.DataFrame) -> None:
    if not REFERENCE.exists():
        pytest.skip(f"{REFERENCE} is absent")
    both = wmo[wmo["season"] < 2024].merge(ncei.read(REFERENCE), on=["track_id", "time"])  # 2024 was provisional there
    off = np.maximum((both["lat_x"] - both["lat_y"]).abs(), (both["lon_x"] - both["lon_y"]).abs())
    assert len(both) > 30_000
    assert (off > 0.11).mean() < 1e-3  # reanalysed since
    for sid in (MAWAR, DOKSURI):
        assert off[both["track_id"] == sid].max() < 0.11


def test_the_precision_note_is_true(wmo: pd.DataFrame) -> None:
    tenth = (wmo["lon"] * 10).round().astype(int) % 10
    east = wmo["lon"].between(128, 180)
    assert not tenth[east].isin([3, 7]).any()  # what half precision cannot hold
    assert tenth[wmo["lon"] < 128].isin([3, 7]).mean() > 0.15


def test_names_follow_jma() -> None:
    names = pd.read_csv(ROOT / "tracks/best/names.csv")
    of_2023 = " ".join(names[names["season"] == 2023]["name"])
    assert of_2023 == (
        "SANVU MAWAR GUCHOL TALIM DOKSURI KHANUN LAN DORA SAOLA DAMREY HAIKUI KIROGI YUN-YEUNG KOINU "
        "BOLAVEN SANBA JELAWAT"
    )
    official = {2017: 27, 2019: 28, 2020: 23, 2021: 22, 2022: 25, 2023: 17, 2024: 26}  # PABUK 1901 is in season 2018
    assert {year: (names["season"] == year).sum() for year in official} == official


@pytest.mark.parametrize(
    ("name", "season", "lat", "lon", "time"),
    [
        ("HAIYAN", 2013, 11.2, 125.0, "2013-11-08 00:00"),  # Guiuan and Tacloban
        ("HAGIBIS", 2019, 35.0, 139.0, "2019-10-12 12:00"),  # Izu peninsula
        ("MANGKHUT", 2018, 18.0, 121.5, "2018-09-14 18:00"),  # Cagayan
        ("DOKSURI", 2023, 24.8, 118.6, "2023-07-28 00:00"),  # Jinjiang
        ("MAWAR", 2023, 13.8, 144.8, "2023-05-24 12:00"),  # Guam
        ("MORAKOT", 2009, 24.0, 121.5, "2009-08-07 18:00"),  # Hualien
        ("NANMADOL", 2022, 31.5, 130.5, "2022-09-18 12:00"),  # Kagoshima
        ("RAI", 2021, 9.8, 126.0, "2021-12-16 06:00"),  # Siargao
        ("SONGDA", 2004, 33.0, 129.8, "2004-09-07 00:00"),  # Nagasaki
        ("MIRINAE", 2021, 26.8, 128.2, "2021-08-05 06:00"),  # Okinawa, while NIDA was far to the east
        ("HINNAMNOR", 2022, 35.0, 129.0, "2022-09-05 21:00"),  # Geoje
    ],
)
def test_named_storms_were_where_they_struck(
    wmo: pd.DataFrame, name: str, season: int, lat: float, lon: float, time: str
) -> None:
    storm = wmo[(wmo["name"] == name) & (wmo["season"] == season)]
    near = storm[(storm["time"] - pd.Timestamp(time)).abs() <= pd.Timedelta("4h")]
    assert distance(near["lat"], near["lon"], lat, lon).min() < 150


def test_agencies_that_are_not_shipped_say_so() -> None:
    with pytest.raises(InputError, match="hold wmo and jtwc, not 'cma'"):
        ibtracs.load("cma")


def build_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", ROOT / "tracks/best/build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_build_keeps_jma_rows_and_checks_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wmo.csv").write_text(
        "track_id,season,basin,time,lon,lat,wind,slp\n"
        "2020001N10175,2020,WP,2020-01-01 00:00:00,179.0,10.0,,\n"
        "2020001N10175,2020,WP,2020-01-01 06:00:00,179.5,10.0,35.0,1000.0\n"
        "2020001N10175,2020,EP,2020-01-01 12:00:00,-179.5,10.0,45.0,995.0\n"
        "2020001N10300,2020,NA,2020-01-01 00:00:00,-60.0,10.0,45.0,995.0\n"
    )
    (tmp_path / "jtwc.csv").write_text(
        "track_id,season,basin,time,lat,lon,status,wind,slp,sshs_cat\n"
        "2020001N10175,2020,WP,2020-01-01 06:00:00,10.0,179.5,TS,40.0,,0\n"
        "2020001N10175,2020,EP,2020-01-01 12:00:00,10.0,-179.5,TS,50.0,,0\n"
    )
    names = tmp_path / "names.csv"
    names.write_text("season,name,sid\n2020,UNICORN,2020001N10175\n")
    build = build_script()
    build.build(tmp_path, out=tmp_path, names=names)
    assert "without a name: 0" in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "wmo.csv.xz")["lon_tenths"].tolist() == [1795]
    assert pd.read_csv(tmp_path / "jtwc.csv.xz")["lon_tenths"].tolist() == [1795, 1805]
    names.write_text("season,name,sid\n2020,UNICORN,2020001N10176\n")
    with pytest.raises(SystemExit, match="no tropical storm of that id"):
        build.build(tmp_path, out=tmp_path, names=names)
