"""The figure shows every fix, counts what was lost, needs no network and is written whole or not at all."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from shapely.geometry.base import BaseGeometry

from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.geo.sphere import distance, wrap
from typhoon_tracker.plot.error_panel import means_over_common_cases
from typhoon_tracker.plot.style import INTENSITIES, UNKNOWN, intensity
from typhoon_tracker.plot.track_map import draw, save
from typhoon_tracker.plot.view import View, extent
from typhoon_tracker.verify.cone_area import swath

HOURS = pd.Timedelta(hours=1)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a map reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def best_track(days: int = 8) -> pd.DataFrame:
    """A storm that recurves: west-north-west at first, north-east in the end, strongest half way."""
    time = pd.date_range("2023-05-28", periods=4 * days + 1, freq="6h")
    s = np.linspace(0, 1, len(time))
    return track.create(
        track_id="made", time=time, lat=12 + 22 * s, lon=128 + 30 * (s - 0.45) ** 2, wind=15 + 45 * np.sin(np.pi * s)
    )


def forecasts(best: pd.DataFrame, leads: tuple[int, ...] = (6, 12)) -> pd.DataFrame:
    rows = [
        {
            "time": now,
            "lat": lat + 0.05 * h,
            "lon": lon - 0.05 * h,
            "init_time": now - h * HOURS,
            "lead_time": h * HOURS,
        }
        for h in leads
        for now, lat, lon in zip(best["time"][4:], best["lat"][4:], best["lon"][4:], strict=True)
    ]
    return track.create(track_id="made", **pd.DataFrame(rows).to_dict("series"))


def one_forecast(best: pd.DataFrame) -> pd.DataFrame:
    hours = np.arange(1, 13)
    start = best.iloc[12]
    lat, lon = start["lat"] + 0.1 * hours, start["lon"] + 0.02 * hours
    now, lead = start["time"], hours * HOURS
    return track.create(track_id="made", time=now + lead, lat=lat, lon=lon, init_time=now, lead_time=lead)


def errors_of(forecast: pd.DataFrame) -> pd.DataFrame:
    keys = forecast[["init_time", "lead_time", "time"]]
    lost = np.where(np.arange(len(keys)) == 3, np.nan, 50.0)
    tables = [
        keys.assign(method=method, error_km=error, interpolated=False)
        for method, error in (("model", lost), ("persistence", 90.0), ("cliper", 80.0), ("analysis", 20.0))
    ]
    return pd.concat(tables, ignore_index=True)


def figure_of(best: pd.DataFrame, forecast: pd.DataFrame, **options: object) -> Figure:
    return draw(best, forecast, errors_of(forecast), title="MADE", subtitle="Fields: none", **options)  # type: ignore[arg-type]


def shown(figure: Figure) -> tuple[float, float, float, float]:
    """West, east, south, north of the map, degrees."""
    (west, south), (east, north) = degrees(figure, figure.axes[0].viewLim.get_points())
    return west, east, south, north


def degrees(figure: Figure, points: np.ndarray) -> np.ndarray:
    """Longitude (eastward from 90) and latitude of points (n, 2) in the map's coordinates."""
    crs = figure.axes[0].projection  # type: ignore[attr-defined]
    lonlat = crs.as_geodetic().transform_points(crs, *np.asarray(points, float).T)
    return np.column_stack([wrap(lonlat[:, 0], 90.0), lonlat[:, 1]])


def test_the_map_covers_best_track_and_forecast() -> None:
    best = best_track()
    forecast = forecasts(best)
    west, east, south, north = shown(figure_of(best, forecast, lead_hours=12))
    for table in (best, forecast[forecast["lead_time"] == 12 * HOURS]):
        assert table["lon"].between(west, east).all()
        assert table["lat"].between(south, north).all()
    assert 0.5 < (east - west) / (north - south) < 2.5


def test_a_single_forecast_is_looked_at_closely() -> None:
    best = best_track()
    forecast = one_forecast(best)
    west, east, south, north = shown(figure_of(best, forecast))
    assert forecast["lon"].between(west, east).all()
    assert forecast["lat"].between(south, north).all()
    assert north - south < np.ptp(best["lat"])


def test_a_track_over_the_date_line_stays_in_one_piece() -> None:
    best = best_track()
    best = best.assign(lon=(best["lon"] + 50) % 360)
    west, east, _, _ = shown(figure_of(best, forecasts(best), lead_hours=6))
    assert best["lon"].min() > west + 0.5
    assert best["lon"].max() < east - 0.5
    assert east - west < 90


@given(st.floats(0, 50), st.floats(95, 185), st.floats(0.1, 15), st.floats(0.1, 40), st.sampled_from([0.7, 1.0, 1.5]))
@settings(max_examples=50, deadline=None)
def test_any_track_has_a_margin_on_every_side(lat: float, lon: float, tall: float, wide: float, aspect: float) -> None:
    best = pd.DataFrame({"lat": [lat, lat + tall], "lon": [lon, lon + wide]})
    west, east, south, north = extent(View(best, best.iloc[:0], best, single=False), aspect)
    assert (east - west) / (north - south) == pytest.approx(aspect)
    for low, high, values in ((west, east, best["lon"]), (south, north, best["lat"])):
        assert values.min() - low > 0.3
        assert high - values.max() > 0.3


def marks(figure: Figure, marker: str) -> np.ndarray:
    lines = [line for line in figure.axes[0].lines if line.get_marker() == marker]
    return degrees(figure, np.vstack([line.get_xydata() for line in lines]))


def test_only_the_chosen_lead_is_drawn_and_lost_forecasts_are_not() -> None:
    best = best_track()
    forecast = forecasts(best)
    forecast.loc[2, ["lat", "lon"]] = np.nan
    drawn = marks(figure_of(best, forecast, lead_hours=6), "D")
    wanted = forecast[forecast["lead_time"] == 6 * HOURS].dropna(subset=["lat"])
    np.testing.assert_allclose(drawn, wanted.sort_values("time")[["lon", "lat"]])


def test_each_forecast_fix_is_joined_to_the_truth_at_its_valid_time() -> None:
    best = best_track()
    forecast = forecasts(best, leads=(6,))
    figure = figure_of(best, forecast)
    joins = [line for line in figure.axes[0].lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert len(joins) == len(forecast)
    ends = degrees(figure, np.array([np.asarray(line.get_xydata())[1] for line in joins]))
    truth = best.set_index("time").loc[forecast["time"], ["lat", "lon"]]
    assert distance(ends[:, 1], ends[:, 0], truth["lat"], truth["lon"]).max() < 1e-6


def test_dates_are_the_days_of_the_track_and_the_same_every_time() -> None:
    best = best_track()
    texts = [[t.get_text() for t in figure_of(best, forecasts(best)).axes[0].texts] for _ in range(2)]
    assert texts[0] == texts[1]
    days = [t for t in texts[0] if t]
    assert days[0] == "28 May"
    assert "1 Jun" in days
    assert set(days) <= {"28 May", "29", "30", "31", "1 Jun", "2", "3", "4", "5"}
    assert len(days) >= 7


def test_date_labels_keep_clear_of_each_other_and_inside_the_map() -> None:
    best = best_track()
    figure = figure_of(best, forecasts(best))
    axes = figure.axes[0]
    boxes = [t.get_window_extent() for t in axes.texts if t.get_text()]
    for i, box in enumerate(boxes):
        assert axes.bbox.x0 < box.x0
        assert box.x1 < axes.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_intensity_follows_the_scale_and_darkens_with_the_wind() -> None:
    assert [intensity(w).name for w in (10, 17.2, 24.5, 32.7, 43.7, 54.0)] == [c.name for c in INTENSITIES]
    assert intensity(17.19).name == "TD"
    assert intensity(np.nan) is UNKNOWN
    grey = [np.dot(to_rgb(c.colour), (0.299, 0.587, 0.114)) for c in INTENSITIES]
    assert (np.diff(grey) < -0.03).all()
    assert (np.diff([c.size for c in INTENSITIES]) > 0).all()


def test_means_are_over_the_same_cases_for_every_method() -> None:
    forecast = forecasts(best_track(), leads=(6,))
    errors = errors_of(forecast)
    # Where the model lost the storm, persistence is far off: that must not count against persistence alone.
    where = (errors["method"] == "persistence") & (errors["init_time"] == forecast["init_time"][3])
    errors.loc[where, "error_km"] = 1e6
    means, cases, between = means_over_common_cases(errors)
    assert cases == len(forecast) - 1
    assert between == 0
    assert means.round(6).to_dict() == {"analysis": 20.0, "cliper": 80.0, "model": 50.0, "persistence": 90.0}


def test_losses_are_counted_in_words() -> None:
    figure = figure_of(best_track(), forecasts(best_track(), leads=(6,)))
    said = [t.get_text() for t in figure.axes[1].get_legend().get_texts()]  # type: ignore[union-attr]
    assert "model, storm lost (1)" in said
    assert any(t.get_text() == "50 km, 1 lost" for t in figure.axes[2].texts)
    assert any(t.get_text() == "Fields: none" for t in figure.texts)


@pytest.mark.parametrize("kept", ["none", "all lost"])
def test_a_storm_without_a_single_fix_still_has_its_map(kept: str) -> None:
    best = best_track()
    forecast = forecasts(best)
    forecast = forecast.iloc[:0] if kept == "none" else forecast.assign(lat=np.nan, lon=np.nan)
    errors = errors_of(forecast)
    errors.loc[errors["method"] == "model", "error_km"] = np.nan
    figure = draw(best, forecast, errors, title="MADE", subtitle="", region=PAPER_REGION)
    assert len(figure.axes) == 3


def test_png_and_svg_appear_and_are_the_same_each_time(tmp_path: Path) -> None:
    paths = save(figure_of(best_track(), forecasts(best_track()), region=PAPER_REGION), tmp_path / "maps" / "MADE_v1.2")
    assert [p.name for p in paths] == ["MADE_v1.2.png", "MADE_v1.2.svg"]
    assert sorted(p.name for p in paths[0].parent.iterdir()) == [p.name for p in paths]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    again = save(figure_of(best_track(), forecasts(best_track()), region=PAPER_REGION), tmp_path / "again")
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in paths]


def test_nothing_is_left_where_the_folder_cannot_be_written(tmp_path: Path) -> None:
    figure = figure_of(best_track(), forecasts(best_track()))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save(figure, tmp_path / "file" / "map")
    (tmp_path / "map.svg").mkdir()
    with pytest.raises(InputError, match=r"map\.svg cannot be written"):
        save(figure, tmp_path / "map")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "map.svg"]


def test_a_notebook_s_own_figures_are_left_alone() -> None:
    import matplotlib.pyplot as plt

    open_before, backend = plt.get_fignums(), plt.get_backend()
    figure_of(best_track(), forecasts(best_track()))
    assert plt.get_fignums() == open_before
    assert plt.get_backend() == backend


def test_tables_that_cannot_be_drawn_are_refused() -> None:
    best = best_track()
    forecast = forecasts(best)
    with pytest.raises(InputError, match="init_time, lead_time"):
        draw(best, best, errors_of(forecast), title="", subtitle="")
    with pytest.raises(InputError, match="error_km"):
        draw(best, forecast, errors_of(forecast).drop(columns="error_km"), title="", subtitle="")
    with pytest.raises(InputError, match="none has a position"):
        draw(best.assign(lat=np.nan), forecast, errors_of(forecast), title="", subtitle="")


def cone_around(forecast: pd.DataFrame) -> dict[float, BaseGeometry]:
    last = len(forecast)
    return {
        p: swath(forecast["lat"], forecast["lon"], np.linspace(20, km, last)) for p, km in ((0.67, 120), (0.9, 250))
    }


@pytest.mark.parametrize("turn", [0, 50, -360])
def test_a_cone_is_drawn_under_one_forecast_and_wholly_on_the_map(turn: float) -> None:
    best = best_track()
    best = best.assign(lon=best["lon"] + turn)
    forecast = one_forecast(best)
    cone = cone_around(forecast)
    figure = figure_of(best, forecast, cone=cone)
    west, east, south, north = shown(figure)
    x0, y0, x1, y1 = cone[0.9].bounds
    assert wrap(x0, 90.0) > west
    assert wrap(x0, 90.0) + x1 - x0 < east
    assert south < y0
    assert y1 < north
    said = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert "67 % and 90 % of past errors" in said
    assert len(figure_of(best, forecast).axes[0].collections) < len(figure.axes[0].collections)


def test_a_cone_around_many_forecasts_is_refused() -> None:
    best = best_track()
    with pytest.raises(InputError, match="around one forecast"):
        figure_of(best, forecasts(best), cone=cone_around(one_forecast(best)))
