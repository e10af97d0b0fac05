"""IBTrACS as NCEI publishes it: whose fixes, which are original, what is left out, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.besttrack.conftest import ROWS, SID, row, write_csv
from typhoon_tracker.besttrack import ibtracs, ncei
from typhoon_tracker.besttrack.agencies import agency_named
from typhoon_tracker.errors import InputError


def at(table: pd.DataFrame, hour: str) -> pd.Series:
    return table[table["time"] == pd.Timestamp(hour)].iloc[0]


def test_agencies_are_not_mixed(ncei_csv: Path) -> None:
    jma, jtwc = ncei.read(ncei_csv, "wmo"), ncei.read(ncei_csv, "jtwc")
    assert jma["time"].iloc[0] == pd.Timestamp("2031-05-30 06:00")  # the row before has no JMA position
    assert jtwc["time"].iloc[0] == pd.Timestamp("2031-05-30 00:00")
    assert set(jma["lat"]) == {10.0}
    assert set(jtwc["lat"]) == {10.1}


def test_units_are_si_and_winds_keep_their_averaging_time(ncei_csv: Path) -> None:
    jma, jtwc = (at(ncei.read(ncei_csv, agency), "2031-05-30 12:00") for agency in ("wmo", "jtwc"))
    assert jma["wind"] == pytest.approx(60 * 0.514444)
    assert jtwc["wind"] == pytest.approx(70 * 0.514444)
    assert jma["msl"] == 98000.0


def test_the_row_of_units_is_no_fix_and_blanks_are_unknown(ncei_csv: Path) -> None:
    first = at(ncei.read(ncei_csv), "2031-05-30 06:00")
    assert np.isnan(first["wind"])
    assert first["msl"] == 100400.0
    assert first["status"] == "TD"


def test_longitudes_past_180_are_normalised(ncei_csv: Path) -> None:
    longitudes = ncei.read(ncei_csv)["lon"]
    assert longitudes.tolist() == [179.0, 179.0, 180.5, 181.0, 181.5, 182.0, 182.5]


@pytest.mark.parametrize(
    ("hour", "original"),
    [("06:00", True), ("09:00", False), ("12:00", True), ("15:00", True), ("18:00", False)],
)
def test_iflag_tells_original_from_interpolated(ncei_csv: Path, hour: str, original: bool) -> None:
    assert at(ncei.read(ncei_csv), f"2031-05-30 {hour}")["original"] == original


def test_original_means_position_and_intensity(ncei_csv: Path) -> None:
    table = ncei.read(ncei_csv)
    assert at(table, "2031-05-31 00:00")["original"]  # V: other variables were filled
    assert not at(table, "2031-05-31 06:00")["original"]  # I: the intensity was


def test_each_agency_has_its_own_letter(ncei_csv: Path) -> None:
    jtwc = ncei.read(ncei_csv, "jtwc")
    assert not at(jtwc, "2031-05-30 15:00")["original"]
    assert at(jtwc, "2031-05-30 18:00")["original"]


def test_without_iflag_only_synoptic_rows_are_original(tmp_path: Path) -> None:
    table = ncei.read(write_csv(tmp_path / "no_flag.csv", without=("IFLAG",)))
    assert set(table["time"][~table["original"]].dt.hour) == {9, 15}


def test_spur_and_provisional_tracks_are_left_out_unless_asked(ncei_csv: Path) -> None:
    assert set(ncei.read(ncei_csv)["track_id"]) == {SID}
    more = ncei.read(ncei_csv, provisional=True)
    assert set(more["track_id"]) == {SID, "2031181N10140"}
    assert more[more["track_id"] == "2031181N10140"]["name"].iloc[0] == ""


@pytest.mark.parametrize("agency", ["wmo", "jtwc"])
def test_netcdf_says_the_same_as_csv(ncei_csv: Path, ncei_netcdf: Path, agency: str) -> None:
    for provisional in (False, True):
        csv = ncei.read(ncei_csv, agency, provisional=provisional)
        netcdf = ncei.read(ncei_netcdf, agency, provisional=provisional)
        pd.testing.assert_frame_equal(csv, netcdf, check_dtype=False)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "no_jma_pressure.csv", without=("TOKYO_PRES",))
    with pytest.raises(InputError, match=r"no column TOKYO_PRES, which the best tracks of 'wmo' need"):
        ncei.read(path)
    assert len(ncei.read(path, "jtwc"))


def test_an_agency_without_fixes_is_said_so(ncei_csv: Path) -> None:
    with pytest.raises(InputError, match="no fix of HKO"):
        ncei.read(ncei_csv, "hko")


def test_the_light_layout_takes_jma_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "light.csv"
    path.write_text(
        "SID,ISO_TIME,LAT,LON,WMO_WIND,WMO_PRES\n"
        "2031150N10140,2031-05-30 00:00:00,9.0,178.0, , \n"
        "2031150N10140,2031-05-30 06:00:00,9.5,178.5, ,1004\n"
        "2031150N10140,2031-05-30 12:00:00,10.0,179.5,35,1000\n"
        "2031150N10140,2031-05-30 18:00:00,10.0,180.5,45,995\n"
    )
    table = ncei.read(path)
    assert table["lon"].tolist() == [178.5, 179.5]  # before it another agency's position, after it another's wind
    assert table["season"].tolist() == [2031, 2031]
    with pytest.raises(InputError, match="no column USA_LAT"):
        ncei.read(path, "jtwc")


def test_the_same_row_twice_is_one_fix_and_two_that_differ_are_refused(tmp_path: Path) -> None:
    assert len(ncei.read(write_csv(tmp_path / "twice.csv", [*ROWS, ROWS[1]]))) == 7
    other = row("2031-05-30 06:00:00", "OO____________", TOKYO_LAT="12.0")
    with pytest.raises(InputError, match="two fixes at 2031-05-30 06:00"):
        ncei.read(write_csv(tmp_path / "differ.csv", [*ROWS, other]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"TOKYO_LAT": "ten"}, "'ten' in column TOKYO_LAT"),
        ({"ISO_TIME": "31/05/2031"}, "the time '31/05/2031'"),
        ({"TOKYO_LAT": "95.0"}, "latitude 95 is outside"),
    ],
)
def test_bad_cells_are_quoted(tmp_path: Path, change: dict[str, str], words: str) -> None:
    path = write_csv(tmp_path / "bad.csv", [row("2031-05-30 06:00:00", "OO____________") | change])
    with pytest.raises(InputError, match=words):
        ncei.read(path)


@pytest.mark.parametrize(
    "content", [b"<html><body>Sign in</body></html>", b"", b"\x89HDF\xff\xfe,\x00\x01", b"a,b\n1,2\n"]
)
@pytest.mark.parametrize("name", ["what.csv", "what.nc"])
def test_other_files_are_refused(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        ncei.read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no best-track file .*nowhere\.csv"):
        ibtracs.load(path=tmp_path / "nowhere.csv")


def test_a_named_file_says_its_name(ncei_csv: Path) -> None:
    best = ibtracs.load("jma", path=ncei_csv)
    assert best.agency == "wmo"
    assert best.source == (
        "JMA (RSMC Tokyo) best tracks (10-minute wind) 2031-2031 from IBTrACS file ibtracs.WP.list.v04r01.csv."
    )


def test_an_unknown_agency_gets_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no best-track agency 'jwtc'; .* the nearest is 'jtwc'"):
        agency_named("jwtc")
