"""ATCF decks: what a line says arrives in SI units, and what is written is read back."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typhoon_tracker import track
from typhoon_tracker.besttrack.atcf import KNOT, read_deck, write_adeck, write_bdeck
from typhoon_tracker.errors import InputError

# The layout of JTWC's b-decks, wind radii and all, for a storm over the date line.
B_DECK = """\
WP, 02, 2023123118,   , BEST,   0,  58N, 1790E,  25, 1004, TD,   0,    ,    0,    0,    0,    0, 1007,  180,  60,   0,
WP, 02, 2024010100,   , BEST,   0,  65N, 1795W,  64,  974, TY,  34, NEQ,  100,   90,   80,   95, 1006,  200,  20,  80,
WP, 02, 2024010100,   , BEST,   0,  65N, 1795W,  64,  974, TY,  50, NEQ,   50,   40,   40,   45, 1006,  200,  20,  80,
WP, 02, 2024010100,   , BEST,   0,  65N, 1795W,  64,  974, TY,  64, NEQ,   20,   20,   15,   20, 1006,  200,  20,  80,
WP, 02, 2024010103, 30, BEST,   0,  70N, 1789W,   0,    0, TY,   0
"""
A_DECK = """\
WP, 02, 2023052000, 03, AVNO,   0, 104N, 1480E,  35,  998, XX,  34, NEQ,    0,    0,    0,    0,
WP, 02, 2023052000, 03, AVNO,  12, 110N, 1470E,  45,  992, XX,  34, NEQ,    0,    0,    0,    0,
WP, 02, 2023052000, 03, AVNO,  24,   0N,    0W,   0,    0, XX,   0,    ,    0,    0,    0,    0,
WP, 02, 2023052000, 03, JTWC,  12, 112N, 1472E,  50,  990, TS,  34, NEQ,   60,   60,   60,   60,
"""


def deck(folder: Path, text: str) -> Path:
    path = folder / "deck.dat"
    path.write_text(text)
    return path


def test_b_deck_becomes_a_best_track_with_one_row_a_fix(tmp_path: Path) -> None:
    best = read_deck(deck(tmp_path, B_DECK))
    assert best["time"].tolist() == list(pd.to_datetime(["2023-12-31 18:00", "2024-01-01 00:00", "2024-01-01 03:30"]))
    np.testing.assert_allclose(best["lat"], [5.8, 6.5, 7.0])
    np.testing.assert_allclose(best["lon"], [179.0, 180.5, 181.1])
    np.testing.assert_allclose(best["wind"], [12.861, 32.924, np.nan], atol=1e-3)
    np.testing.assert_allclose(best["msl"], [100_400, 97_400, np.nan])
    # A storm keeps the season it began in.
    assert set(best["track_id"]) == {"WP022023"}
    assert "init_time" not in best


def test_the_same_number_next_year_is_another_storm(tmp_path: Path) -> None:
    text = B_DECK.splitlines()[0] + "\n" + B_DECK.splitlines()[0].replace("20231231", "20240815")
    assert read_deck(deck(tmp_path, text))["track_id"].tolist() == ["WP022023", "WP022024"]


def test_a_southern_season_begins_in_july(tmp_path: Path) -> None:
    line = B_DECK.splitlines()[0].replace("WP,", "SH,").replace("58N", "158S")
    southern = read_deck(deck(tmp_path, line))
    assert southern["track_id"].tolist() == ["SH022024"]
    assert southern["lat"].tolist() == [-15.8]


def test_a_deck_gives_one_technique_with_its_leads(tmp_path: Path) -> None:
    path = deck(tmp_path, A_DECK)
    avno = read_deck(path, technique="AVNO")
    assert (avno["lead_time"] / pd.Timedelta(hours=1)).tolist() == [0, 12, 24]
    assert (avno["init_time"] + avno["lead_time"]).tolist() == avno["time"].tolist()
    assert avno["lat"].isna().tolist() == [False, False, True]  # 0N 0W is no place but a forecast without one
    assert len(read_deck(path, technique="JTWC")) == 1
    with pytest.raises(InputError, match=r"AVNO, JTWC and none is chosen"):
        read_deck(path)
    with pytest.raises(InputError, match="EMX is not among them"):
        read_deck(path, technique="EMX")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("WP, 02, 2023052000", "3 comma-separated fields"),
        ("WP, 02, 20230520, 03, AVNO, 0, 104N, 1480E, 35, 998", "'20230520' is not a time YYYYMMDDHH"),
        ("WP, 02, 2023134000, 03, AVNO, 0, 104N, 1480E, 35, 998", "month must be in 1..12"),
        ("WP, 02, 2023052000, 03, AVNO, 0, 10.4N, 1480E, 35, 998", "'10.4N' is not tenths of a degree and N or S"),
        ("WP, 02, 2023052000, 03, AVNO, 0, 104E, 1480E, 35, 998", "'104E' is not tenths"),
        ("WP, 02, 2023052000, 03, AVNO, 0, 104N, 1810E, 35, 998", "not on Earth"),
        ("WP, 02, 2023052000, 03, AVNO, 0, 104N, 1480E, strong, 998", "strong"),
        ("WP, 02, 2023052000, 03, AVNO, 0, 114N, 1480E, 35, 998", "elsewhere than a line before"),
    ],
)
def test_a_malformed_line_is_named(line: str, said: str, tmp_path: Path) -> None:
    path = deck(tmp_path, A_DECK.splitlines()[0] + "\n\n" + line + "\n")
    with pytest.raises(InputError, match=r"line 3 of .*deck\.dat") as error:
        read_deck(path)
    assert said in str(error.value)


def test_an_empty_or_missing_deck_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no line of an ATCF deck"):
        read_deck(deck(tmp_path, "\n"))
    with pytest.raises(InputError, match="cannot be read"):
        read_deck(tmp_path / "absent.dat")


def forecast(lat: list[float], lon: list[float], **columns: object) -> pd.DataFrame:
    lead = pd.to_timedelta(6 * np.arange(len(lat)), unit="h")
    init = pd.DatetimeIndex(["2023-05-26T12:00"] * len(lat))
    return track.create(track_id="MAWAR", time=init + lead, lat=lat, lon=lon, init_time=init, lead_time=lead, **columns)


fixes = st.lists(
    st.tuples(st.floats(-89, 89), st.floats(0, 359.99), st.floats(3, 90), st.floats(86_000, 103_000)),
    min_size=1,
    max_size=6,
)


@given(fixes)
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back_to_the_format_s_precision(rows: list[tuple[float, ...]]) -> None:
    lat, lon, wind, msl = map(list, zip(*rows, strict=True))
    # 0N 0E is how the format says "no position": nobody can forecast a storm there.
    lat = [0.2 if abs(a) < 0.05 and (o < 0.05 or o > 359.95) else a for a, o in zip(lat, lon, strict=True)]
    table = forecast(lat, lon, wind=wind, msl=msl)
    with TemporaryDirectory() as folder:
        path = write_adeck(table, Path(folder) / "awp022023.dat", basin="WP", number=2, technique="M2N")
        again = read_deck(path)
    assert (again["lat"] - table["lat"]).abs().max() <= 0.05 + 1e-9
    turn = (again["lon"] - table["lon"] + 180) % 360 - 180
    assert turn.abs().max() <= 0.05 + 1e-9
    assert (again["wind"] - table["wind"]).abs().max() <= KNOT / 2 + 1e-9
    assert (again["msl"] - table["msl"]).abs().max() <= 50 + 1e-6
    assert again["time"].tolist() == table["time"].tolist()
    assert again["init_time"].tolist() == table["init_time"].tolist()
    assert set(again["track_id"]) == {"WP022023"}


def test_written_columns_stand_where_atcf_wants_them(tmp_path: Path) -> None:
    table = forecast(
        [15.34, -0.31, np.nan], [136.5, 200.0, np.nan], wind=[59.2, np.nan, 20.0], msl=[90_000, np.nan, 1e5]
    )
    path = write_adeck(table, tmp_path / "a.dat", basin="WP", number=2, technique="M2N")
    assert path.read_text().splitlines() == [
        "WP, 02, 2023052612, 03,  M2N,   0, 153N, 1365E, 115,  900, XX,   0,    ,    0,    0,    0,    0,",
        "WP, 02, 2023052612, 03,  M2N,   6,   3S, 1600W,   0,    0, XX,   0,    ,    0,    0,    0,    0,",
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"basin": "XX"}, "'XX' is not an ATCF basin"),
        ({"number": 100}, "storm number 100"),
        ({"technique": "MET2NET"}, "'MET2NET'"),
        ({"technique": "BEST"}, "not BEST"),
    ],
)
def test_a_wrong_header_is_refused(header: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        write_adeck(
            forecast([10.0], [140.0]), tmp_path / "a.dat", **({"basin": "WP", "number": 2, "technique": "M2N"} | header)
        )
    assert list(tmp_path.iterdir()) == []


def test_tables_atcf_cannot_hold_are_refused(tmp_path: Path) -> None:
    header = {"basin": "WP", "number": 2, "technique": "M2N"}
    table = forecast([10.0, 11.0], [140.0, 141.0])
    for wrong, said in (
        (table.drop(columns=["init_time", "lead_time"]), "lacks init_time, lead_time"),
        (table.assign(track_id=["a", "b"]), "has 2: a, b"),
        (table.assign(lead_time=table["lead_time"] + pd.Timedelta(minutes=30)), "whole hours"),
    ):
        with pytest.raises(InputError, match=said):
            write_adeck(wrong, tmp_path / "a.dat", **header)


@given(fixes)
@settings(max_examples=25, deadline=None)
def test_a_best_track_is_read_back_from_its_b_deck(rows: list[tuple[float, ...]]) -> None:
    lat, lon, wind, msl = map(list, zip(*rows, strict=True))
    lat = [0.2 if abs(a) < 0.05 and (o < 0.05 or o > 359.95) else a for a, o in zip(lat, lon, strict=True)]
    minutes = pd.to_timedelta(90 * np.arange(len(lat)), unit="min")
    time = pd.Timestamp("2023-05-19T18:00") + minutes
    best = track.create(track_id="MAWAR", time=time, lat=lat, lon=lon, wind=wind, msl=msl)
    with TemporaryDirectory() as folder:
        again = read_deck(write_bdeck(best, Path(folder) / "bwp022023.dat", basin="WP", number=2))
    assert again["time"].tolist() == best["time"].tolist()
    assert (again["lat"] - best["lat"]).abs().max() <= 0.05 + 1e-9
    assert ((again["lon"] - best["lon"] + 180) % 360 - 180).abs().max() <= 0.05 + 1e-9
    assert (again["wind"] - best["wind"]).abs().max() <= KNOT / 2 + 1e-9
    assert "init_time" not in again
    assert set(again["track_id"]) == {"WP022023"}


def test_a_b_deck_s_minutes_stand_in_their_own_field_and_two_storms_are_refused(tmp_path: Path) -> None:
    best = read_deck(deck(tmp_path, B_DECK))
    lines = write_bdeck(best, tmp_path / "b.dat", basin="WP", number=2).read_text().splitlines()
    assert [line[:48] for line in lines] == [
        "WP, 02, 2023123118,   , BEST,   0,  58N, 1790E, ",
        "WP, 02, 2024010100,   , BEST,   0,  65N, 1795W, ",
        "WP, 02, 2024010103, 30, BEST,   0,  70N, 1789W, ",
    ]
    two = pd.concat([best, best.assign(track_id="OTHER")], ignore_index=True)
    with pytest.raises(InputError, match="a b-deck holds one storm; the table has 2"):
        write_bdeck(two, tmp_path / "c.dat", basin="WP", number=2)
