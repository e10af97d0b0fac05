"""Track tables survive the disk exactly, or the disk is left as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typhoon_tracker import track, track_files
from typhoon_tracker.errors import InputError

FORMATS = {
    "csv": (track_files.write_csv, track_files.read_csv),
    "geojson": (track_files.write_geojson, track_files.read_features),
    "gpkg": (track_files.write_geopackage, track_files.read_features),
}


def forecasts() -> pd.DataFrame:
    lead = pd.to_timedelta([20, 180, 360], unit="min").as_unit("ns")
    init = pd.DatetimeIndex(["2023-05-20"] * 3).as_unit("ns")
    return track.create(
        track_id=["0012", "0012", "WP022023"],
        time=init + lead,
        lat=[1 / 3, 20.1, np.nan],
        lon=[179.99, 180.1, np.nan],
        msl=[99_000.1, np.nan, 1e5],
        wind=[17.2, 33.3, 54.0],
        init_time=init,
        lead_time=lead,
        interpolated=[True, False, True],
        name=["NAN", "MAWAR", "NA"],
    )


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_forecast_table_comes_back_the_same(suffix: str, tmp_path: Path) -> None:
    write, read = FORMATS[suffix]
    path = write(forecasts(), tmp_path / "new folder" / f"track.{suffix}")
    write(forecasts(), path)  # over itself
    pd.testing.assert_frame_equal(read(path), forecasts())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_best_track_comes_back_the_same(suffix: str, tmp_path: Path) -> None:
    write, read = FORMATS[suffix]
    best = forecasts().drop(columns=["init_time", "lead_time"])
    pd.testing.assert_frame_equal(read(write(best, tmp_path / f"best.{suffix}")), best)


def test_an_empty_table_comes_back_from_csv(tmp_path: Path) -> None:
    empty = forecasts().iloc[:0]
    again = track_files.read_csv(track_files.write_csv(empty, tmp_path / "none.csv"))
    assert list(again) == list(empty)
    assert len(again) == 0


position = st.floats(-90, 90), st.floats(0, 359.9), st.floats(80_000, 110_000), st.integers(0, 10 * 24 * 60)


@given(st.lists(st.tuples(*position), min_size=1, max_size=5, unique_by=lambda row: row[3]))
@settings(max_examples=25, deadline=None)
def test_any_numbers_come_back_from_csv_to_the_last_bit(rows: list[tuple[float, float, float, int]]) -> None:
    lat, lon, msl, minutes = zip(*rows, strict=True)
    init = pd.DatetimeIndex(["2023-12-31T18:00"] * len(rows)).as_unit("ns")
    lead = pd.to_timedelta(list(minutes), unit="min").as_unit("ns")
    table = track.create(
        track_id="a", time=init + lead, lat=list(lat), lon=list(lon), msl=list(msl), init_time=init, lead_time=lead
    )
    with TemporaryDirectory() as folder:
        path = track_files.write_csv(table, Path(folder) / "a.csv")
        pd.testing.assert_frame_equal(track_files.read_csv(path), table, check_exact=True)


def test_csv_says_utc_and_lead_time_in_hours(tmp_path: Path) -> None:
    rows = pd.read_csv(track_files.write_csv(forecasts(), tmp_path / "a.csv"), dtype=str)
    assert rows["time"].tolist() == ["2023-05-20T00:20:00Z", "2023-05-20T03:00:00Z", "2023-05-20T06:00:00Z"]
    assert rows["lead_time_hours"].astype(float).tolist() == pytest.approx([1 / 3, 3, 6])


def test_geojson_has_a_point_a_fix_west_of_the_date_line_too(tmp_path: Path) -> None:
    features = json.loads(track_files.write_geojson(forecasts(), tmp_path / "a.geojson").read_text())["features"]
    assert features[1]["geometry"] == {"type": "Point", "coordinates": [pytest.approx(-179.9), 20.1]}
    assert features[1]["properties"]["lon"] == 180.1
    assert features[1]["properties"]["time"] == "2023-05-20T03:00:00Z"
    assert features[2]["geometry"] is None


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing_is_left_where_a_file_cannot_be_written(suffix: str, tmp_path: Path) -> None:
    write, _ = FORMATS[suffix]
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        write(forecasts(), tmp_path / "file" / f"a.{suffix}")
    taken = tmp_path / f"taken.{suffix}"
    taken.mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write(forecasts(), taken)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", taken.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_failure_half_way_leaves_the_old_file(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, read = FORMATS[suffix]
    path = write(forecasts(), tmp_path / f"a.{suffix}")

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", no_space)
    with pytest.raises(InputError, match="No space left"):
        write(forecasts().iloc[:1], path)
    pd.testing.assert_frame_equal(read(path), forecasts())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (track_files.read_csv, "track_id,lat\na,1\n", "needs the column"),
        (track_files.read_csv, "track_id,time,lat,lon\na,yesterday,1,2\n", "column time that cannot be understood"),
        (track_files.read_csv, "", "not a track table"),
        (track_files.read_features, "no json", "cannot be read"),
    ],
)
def test_a_file_that_is_no_track_table_is_refused(
    read: Callable[[Path], pd.DataFrame], text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for read in (track_files.read_csv, track_files.read_features):
        with pytest.raises(InputError, match=r"absent\.csv cannot be read"):
            read(tmp_path / "absent.csv")
