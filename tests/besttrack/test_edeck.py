"""ATCF e-decks: circles of probability, as NHC's GPCE aids spell them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typhoon_tracker import track
from typhoon_tracker.besttrack.edeck import NAUTICAL_MILE, read_edeck, write_edeck
from typhoon_tracker.errors import InputError

E_DECK = """\
AL, 14, 2016093012, TR, GPCC,  12, 135N,  719W,  68,   36,   ,   0,    ,    0,    0,    0,    0,
AL, 14, 2016093012, TR, GPCC,  24, 138N,  728W,  68,   55,   ,   0,    ,    0,    0,    0,    0,
AL, 14, 2016093012, RI, SHIP,  24, 135N,  719W,  40,  30, 120, XXX,  0, 24,
AL, 14, 2016093012, 03, OLDT,  12, 135N,  719W,  67,   40,   ,   0,    ,    0,    0,    0,    0,
"""
HEADER = {"basin": "WP", "number": 2, "technique": "M2NT"}
INIT = pd.Timestamp("2023-05-26T12:00")


def deck(folder: Path, text: str = E_DECK) -> Path:
    path = folder / "deck.dat"
    path.write_text(text)
    return path


def probabilities(lat: list[float], lon: list[float], radius: list[float], levels: list[float]) -> pd.DataFrame:
    """One forecast's fixes six hours apart, each with a circle."""
    lead = 6 * pd.Timedelta(hours=1) * np.arange(len(lat))
    table = track.create(track_id="M", time=INIT + lead, lat=lat, lon=lon, init_time=INIT, lead_time=lead)
    return table.assign(probability=levels, radius=radius)


def test_track_probabilities_are_read_and_others_left(tmp_path: Path) -> None:
    table = read_edeck(deck(tmp_path), technique="GPCC")
    assert table["track_id"].unique() == ["AL142016"]
    assert (table["lead_time"] / pd.Timedelta(hours=1)).tolist() == [12, 24]
    assert table["lon"].tolist() == pytest.approx([288.1, 287.2])
    assert table["probability"].tolist() == [0.68, 0.68]
    assert table["radius"].tolist() == pytest.approx([36 * 1.852, 55 * 1.852])
    assert len(read_edeck(deck(tmp_path), technique="OLDT")) == 1
    with pytest.raises(InputError, match="GPCC, OLDT and none is chosen"):
        read_edeck(deck(tmp_path))


def test_a_written_line_is_that_of_the_format(tmp_path: Path) -> None:
    table = probabilities([13.5, np.nan], [-71.9, np.nan], [66.6, 1.0], [0.68, 0.68])
    path = write_edeck(table, tmp_path / "e.dat", basin="AL", number=14, technique="GPCC")
    expected = E_DECK.splitlines()[0].replace("2016093012", "2023052612").replace(" 12, 135N", "  0, 135N")
    assert path.read_text().splitlines() == [expected]


circles = st.lists(
    st.tuples(st.floats(1, 60), st.floats(0, 359.9), st.floats(0.1, 3700), st.floats(0, 1)), min_size=1, max_size=6
)


@given(circles)
@settings(max_examples=30, deadline=None)
def test_what_is_written_is_read_back_and_no_circle_shrinks(rows: list[tuple[float, ...]]) -> None:
    table = probabilities(*map(list, zip(*rows, strict=True)))
    with TemporaryDirectory() as folder:
        again = read_edeck(write_edeck(table, Path(folder) / "ewp022023.dat", **HEADER))
    assert (again["lat"] - table["lat"]).abs().max() <= 0.05 + 1e-9
    assert ((again["lon"] - table["lon"] + 180) % 360 - 180).abs().max() <= 0.05 + 1e-9
    grown = again["radius"] - table["radius"]
    assert grown.between(-1e-5, NAUTICAL_MILE).all()
    assert (again["probability"] - table["probability"]).abs().max() <= 0.005 + 1e-9
    assert again["time"].tolist() == table["time"].tolist()


def test_two_levels_of_one_fix_are_two_lines(tmp_path: Path) -> None:
    table = pd.concat([probabilities([20.0], [130.0], [km], [p]) for p, km in ((0.9, 200.0), (0.67, 100.0))])
    again = read_edeck(write_edeck(table, tmp_path / "e.dat", **HEADER))
    assert again["probability"].tolist() == [0.67, 0.9]
    assert again["radius"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("WP, 02, 2023052612, TR, M2NT, 12, 135N, 719W, 68\n", "9 comma-separated fields"),
        ("WP, 02, 2023052612, TR, M2NT, 12, 135N, 719W, likely, 36\n", "line 1 of .*likely"),
        ("WP, 02, 2023052612, TR, M2NT, 12, 13.5N, 719W, 68, 36\n", "line 1 of .*is not tenths"),
        (E_DECK.splitlines()[2], "no track probability"),
        ("", "no line of an ATCF deck"),
    ],
)
def test_what_is_no_e_deck_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_edeck(deck(tmp_path, text))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probability": 1.2}, "probability of 120 %"),
        ({"probability": np.nan}, "probability of nan %"),
        ({"radius": 5000.0}, "radius of 2700 nm"),
        ({"radius": -1.0}, "holds 0 to 2000"),
        ({"track_id": ["a", "b"]}, "one storm"),
        ({"lead_time": pd.Timedelta(minutes=30)}, "whole hours"),
    ],
)
def test_what_an_e_deck_cannot_hold_is_refused(change: dict[str, object], said: str, tmp_path: Path) -> None:
    table = probabilities([20.0, 21.0], [130.0, 131.0], [100.0, 110.0], [0.67, 0.67]).assign(**change)
    with pytest.raises(InputError, match=said):
        write_edeck(table, tmp_path / "e.dat", **HEADER)
    with pytest.raises(InputError, match="lacks radius"):
        write_edeck(table.drop(columns="radius"), tmp_path / "e.dat", **HEADER)
    assert list(tmp_path.iterdir()) == []
