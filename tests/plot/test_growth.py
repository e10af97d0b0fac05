"""The season's figures show every method's means and intervals, every storm, and reach for no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.verify.tables import errors_of
from typhoon_tracker.errors import InputError
from typhoon_tracker.plot.growth import draw_growth, draw_storms
from typhoon_tracker.plot.style import METHODS
from typhoon_tracker.plot.track_map import save
from typhoon_tracker.verify.breakdown import by_storm
from typhoon_tracker.verify.statistics import summary

STORMS = ["A", "A", "B", "B", "C", "C"]


def errors() -> pd.DataFrame:
    parts = [
        errors_of(method, lead * scale * np.array([1, 2, 3, 4, 9, 6]), lead=lead, storm=STORMS)
        for lead in (3, 6, 12)
        for method, scale in (("model", 1.0), ("persistence", 1.5), ("stationary", 5.0))
    ]
    return pd.concat(parts, ignore_index=True)


def lines(figure: object) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}  # type: ignore[attr-defined]


def test_the_lines_are_the_means_and_the_bands_their_intervals() -> None:
    table = summary(errors(), draws=200)
    figure = draw_growth(table, title="2023", subtitle="Fields: none", truth_km=(16.0, "JMA against JTWC"))
    drawn = lines(figure)
    for name in ("model", "persistence"):
        rows = table[table["method"] == name]
        np.testing.assert_allclose(drawn[METHODS[name].label], np.column_stack([[3, 6, 12], rows["mean"]]))
    assert "stationary" not in drawn
    assert drawn["JMA against JTWC"][:, 1].tolist() == [16.0, 16.0]
    bands = figure.axes[0].collections
    assert len(bands) == 2
    heights = bands[0].get_paths()[0].vertices[:, 1]
    model = table[table["method"] == "model"]
    assert (heights.min(), heights.max()) == pytest.approx((model["low"].min(), model["high"].max()))
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said == ["6", "6", "6", "cases"]


def test_one_storm_has_lines_and_no_bands_and_no_method_no_figure() -> None:
    alone = summary(errors()[lambda table: table["track_id"] == "A"], draws=10)
    assert len(lines(draw_growth(alone, title="", subtitle=""))) == 2
    with pytest.raises(InputError, match="no method that is drawn"):
        draw_growth(alone[alone["method"] == "stationary"], title="", subtitle="")


def test_storms_stand_in_order_with_their_names_and_cases() -> None:
    figure = draw_storms(by_storm(errors()), title="2023", subtitle="", lead_hours=6, names={"A": "MAWAR"})
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["MAWAR  (2)", "B  (2)", "C  (2)"]  # the worst at the top
    np.testing.assert_allclose(lines(figure)["model"], [[9, 0], [21, 1], [45, 2]])
    with pytest.raises(InputError, match=r"no storm has an error at 24 h; the table has the leads 3, 6, 12"):
        draw_storms(by_storm(errors()), title="", subtitle="", lead_hours=24)


def test_a_long_subtitle_is_broken_into_lines_and_the_figure_saved(tmp_path: Path) -> None:
    figure = draw_growth(summary(errors(), draws=10), title="2023", subtitle="word " * 100)
    text = next(t for t in figure.texts if t.get_text().startswith("word"))
    assert max(map(len, text.get_text().splitlines())) <= 135
    assert figure.bbox.x0 <= text.get_window_extent().x0
    assert text.get_window_extent().x1 <= figure.bbox.x1
    png, _ = save(figure, tmp_path / "growth")
    assert png.read_bytes().startswith(b"\x89PNG")
