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


# What StitchNodes writes for --in_fmt "lon,lat,slp,wind" on a grid, hourly tracks of two storms.
STITCHED = """\
start\t2\t2013\t9\t1\t0
\t580\t436\t145.000000\t19.000000\t9.933750e+04\t1.745000e+01\t2013\t9\t1\t0
\t576\t440\t144.000000\t20.000000\t9.900000e+04\t1.900000e+01\t2013\t9\t1\t6
start\t1\t2013\t9\t2\t18
\t2\t300\t0.500000\t-15.000000\t1.001000e+05\t1.200000e+01\t2013\t9\t2\t18
"""


def test_stitch_nodes_text_becomes_tracks(tmp_path: Path) -> None:
    (tmp_path / "tracks.txt").write_text(STITCHED)
    table = track_files.read_stitch_nodes(tmp_path / "tracks.txt")
    assert table["track_id"].tolist() == ["0", "0", "1"]
    assert table["time"].tolist() == list(pd.to_datetime(["2013-09-01 00:00", "2013-09-01 06:00", "2013-09-02 18:00"]))
    assert table[["lat", "lon", "msl", "wind"]].iloc[0].tolist() == [19, 145, 99_337.5, 17.45]
    unstructured = STITCHED.replace("\t436\t", "\t").replace("\t440\t", "\t").replace("\t300\t", "\t")
    (tmp_path / "cells.txt").write_text(unstructured)
    pd.testing.assert_frame_equal(track_files.read_stitch_nodes(tmp_path / "cells.txt"), table)
    named = track_files.read_stitch_nodes(tmp_path / "tracks.txt", variables=("slp", "u10"))
    assert named["slp"].iloc[0] == 99_337.5


nodes = st.lists(
    st.tuples(st.floats(-90, 90), st.floats(0, 359.9), st.floats(80_000, 110_000), st.integers(0, 240)),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[3],
)


@given(st.lists(nodes, min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_any_tracks_come_back_from_stitch_nodes_to_the_last_bit(
    storms: list[list[tuple[float, float, float, int]]],
) -> None:
    parts = []
    for number, rows in enumerate(storms):
        lat, lon, msl, hours = zip(*sorted(rows, key=lambda row: row[3]), strict=True)
        time = pd.Timestamp("2023-12-28") + pd.to_timedelta(list(hours), unit="h")
        parts.append(
            track.create(track_id=str(number), time=time, lat=list(lat), lon=list(lon), msl=list(msl), wind=np.nan)
        )
    table = pd.concat(parts, ignore_index=True)
    with TemporaryDirectory() as folder:
        path = track_files.write_stitch_nodes(table, Path(folder) / "tracks.txt")
        pd.testing.assert_frame_equal(track_files.read_stitch_nodes(path), table, check_exact=True)


def test_forecasts_of_one_storm_are_several_tracks_of_stitch_nodes(tmp_path: Path) -> None:
    lead = pd.to_timedelta([0, 6], unit="h")
    parts = [
        track.create(track_id="W", time=init + lead, lat=20.0, lon=130.0, init_time=init, lead_time=lead)
        for init in pd.date_range("2023-05-20", periods=2, freq="6h")
    ]
    path = track_files.write_stitch_nodes(pd.concat(parts, ignore_index=True), tmp_path / "tracks.txt")
    assert track_files.read_stitch_nodes(path)["track_id"].tolist() == ["0", "0", "1", "1"]
    with pytest.raises(InputError, match="whole hours"):
        track_files.write_stitch_nodes(forecasts(), tmp_path / "other.txt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        (STITCHED.splitlines()[0], "ends 2 fixes early"),
        (STITCHED.replace("start\t2", "start\t1"), "line 3 of .*more or fewer fixes"),
        (STITCHED.replace("start\t2", "start\t3"), "line 4 of .*more or fewer fixes"),
        (STITCHED.replace("9.900000e+04\t", ""), "line 3 of .*name the columns"),
        (STITCHED.replace("9.933750e+04\t", "9.9\t9.9\t"), "line 2 of .*name the columns"),
        (STITCHED.replace("2013\t9\t1\t6", "2013\t13\t1\t6"), "not of StitchNodes: "),
        (STITCHED.replace("start\t2", "start\ttwo"), "line 1 of .*no number of fixes"),
        (STITCHED.replace("145.000000", "east"), "not of StitchNodes: .*east"),
    ],
)
def test_what_is_no_stitch_nodes_text_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "tracks.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        track_files.read_stitch_nodes(tmp_path / "tracks.txt")


def test_huracanpy_reads_what_is_written(tmp_path: Path) -> None:
    huracanpy = pytest.importorskip("huracanpy")
    best = forecasts().dropna(subset=["lat"]).drop(columns=["init_time", "lead_time"])
    best["time"] = pd.to_datetime(["2023-05-20 00:00", "2023-05-20 06:00"])
    stitched = huracanpy.load(
        str(track_files.write_stitch_nodes(best, tmp_path / "tracks.txt")),
        source="tempestextremes",
        variable_names=["msl", "wind"],
    )
    plain = huracanpy.load(str(track_files.write_csv(best, tmp_path / "tracks.csv")))
    for tracks in (stitched, plain):
        for name in ("lon", "lat", "msl", "wind"):
            np.testing.assert_allclose(tracks[name], best[name])
        assert pd.to_datetime(tracks["time"].values).tz_localize(None).tolist() == best["time"].tolist()
