"""The figure of a verified storm: the map of best track and forecast, and beside it the errors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.land import DOMAIN, coastline
from typhoon_tracker.geo.sphere import wrap
from typhoon_tracker.plot import date_labels
from typhoon_tracker.plot.error_panel import draw_errors, draw_means
from typhoon_tracker.plot.style import (
    COAST,
    FORECAST,
    GRID,
    INK,
    INTENSITIES,
    LAND,
    QUIET,
    UNKNOWN,
    Intensity,
    Style,
    intensity,
    mark_interpolated,
)
from typhoon_tracker.plot.view import View, choose, extent, truth_at
from typhoon_tracker.track_files import replacing

if TYPE_CHECKING:
    from cartopy.mpl.geoaxes import GeoAxes
    from matplotlib.figure import Figure
    from shapely.geometry.base import BaseGeometry

WIDTH, HEIGHT, DPI = 12.0, 6.5, 150
MAP_BOX = (0.040, 0.175, 0.575, 0.735)  # left, bottom, width, height in shares of the figure
ERROR_BOX = (0.680, 0.435, 0.305, 0.475)
MEAN_BOX = (0.755, 0.100, 0.230, 0.170)
BEST_LINE: Style = {"color": INK, "lw": 0.9}
FORECAST_LINE: Style = {"color": FORECAST, "lw": 0.8}
FORECAST_MARK: Style = {"marker": "D", "ms": 3.8, "mfc": "white", "mec": FORECAST, "mew": 1.2}
TRUTH_MARK: Style = {"marker": "o", "ms": 2.0, "color": INK, "ls": ""}  # interpolated where no larger mark covers it
CONE_FILL: Style = {"facecolor": FORECAST, "edgecolor": "none", "alpha": 0.14}
CONE_EDGE: Style = {"facecolor": "none", "edgecolor": FORECAST, "linewidth": 0.7, "alpha": 0.6}
REGION_LINE: Style = {"color": QUIET, "lw": 1.0, "ls": (0, (6, 3))}
ERROR_COLUMNS = ("init_time", "lead_time", "time", "method", "error_km", "interpolated")


def draw(
    best: pd.DataFrame,
    forecast: pd.DataFrame,
    errors: pd.DataFrame,
    *,
    title: str,
    subtitle: str,
    region: Region | None = None,
    lead_hours: float | None = None,
    cone: Mapping[float, BaseGeometry] | None = None,
) -> Figure:
    """Return the figure of one storm: map on the left, errors on the right.

    `best` and `forecast` are track tables, the forecast with `init_time` and `lead_time`: from one init time its whole
    track is drawn (up to `lead_hours`), from many the fixes at `lead_hours`, by default the longest lead. `errors` is
    long: `init_time, lead_time, time, method` (model, persistence, cliper, analysis), `error_km` (NaN: lost) and
    `interpolated`. `subtitle` says where fields, weights and truth come from; `region` is drawn as a box, `cone`
    (polygons by level, from `verify.cone_area.areas`) under the track of one forecast. Raises InputError where a table
    lacks a column or holds no position, and for a cone around many forecasts.
    """
    from cartopy.crs import PlateCarree
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _check(best, forecast, errors)
    view = choose(best, forecast, errors, lead_hours)
    shapes = _cone_shapes(cone or {}, view)
    if shapes:
        view = replace(view, around=np.reshape([shape.bounds for shape in shapes.values()], (-1, 2)))
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)  # a canvas of its own: pyplot's state and a notebook's backend stay as they are
    bounds = extent(view, MAP_BOX[2] * WIDTH / (MAP_BOX[3] * HEIGHT))
    # Longitudes are counted from the middle of the map, so that 180 is a place like any other.
    middle = (bounds[0] + bounds[1]) / 2
    axes = figure.add_axes(MAP_BOX, projection=PlateCarree(central_longitude=middle))
    _draw_ground(axes, bounds, middle)
    _draw_cone(axes, shapes, middle)
    box = np.empty((0, 2)) if region is None else _draw_region(axes, region, middle)
    _draw_tracks(axes, view, middle, keep_clear=box)
    _draw_legend(figure, view, region, shapes)
    panel = figure.add_axes(ERROR_BOX)
    draw_errors(panel, view.errors, against_lead=view.single)
    draw_means(figure.add_axes(MEAN_BOX), view.errors)
    figure.text(MAP_BOX[0], 0.945, title, size=14, weight="bold", color=INK, va="baseline")
    figure.text(MAP_BOX[0], 0.018, subtitle, size=7.5, color=QUIET, va="baseline")
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> list[Path]:
    """Write a figure as PNG and SVG beside each other, both or neither, and return the two paths.

    `path` has no suffix. The same figure gives the same bytes. Raises InputError where the folder cannot be written.
    """
    from matplotlib import rc_context

    png, svg = (Path(f"{os.fspath(path)}.{suffix}") for suffix in ("png", "svg"))
    with replacing(png) as png_part, replacing(svg) as svg_part, rc_context({"svg.hashsalt": "typhoon-tracker"}):
        figure.savefig(png_part, format="png", dpi=DPI)
        figure.savefig(svg_part, format="svg", metadata={"Date": None})
    return [png, svg]


def _check(best: pd.DataFrame, forecast: pd.DataFrame, errors: pd.DataFrame) -> None:
    for table, columns in ((forecast, track.FORECAST_COLUMNS), (errors, ERROR_COLUMNS)):
        missing = [name for name in columns if name not in table]
        if missing:
            raise InputError(f"a map needs the column {', '.join(missing)}; the table has {', '.join(table.columns)}.")
    track.validate(forecast)
    if track.validate(best)["lat"].notna().sum() == 0:
        raise InputError(f"the best track has {len(best)} fixes and none has a position; there is nothing to draw.")


def _draw_ground(axes: GeoAxes, bounds: tuple[float, float, float, float], middle: float) -> None:
    import shapely
    from matplotlib.ticker import FixedLocator, MaxNLocator

    west, east, south, north = bounds
    land = shapely.clip_by_rect(coastline(), west - 1, south - 1, east + 1, north + 1)
    land = shapely.transform(land, lambda xy: xy - [middle, 0.0])
    axes.set_extent((west - middle, east - middle, south, north), crs=axes.projection)
    axes.add_geometries([land], crs=axes.projection, facecolor=LAND, edgecolor=COAST, linewidth=0.5, zorder=1)
    nice = MaxNLocator(nbins=7, steps=[1, 2, 5, 10])
    grid = axes.gridlines(draw_labels=["left", "bottom"], color=GRID, linewidth=0.5, zorder=2)
    grid.xlocator = FixedLocator(wrap(nice.tick_values(west, east), -180.0).tolist())
    grid.ylocator = FixedLocator(nice.tick_values(south, north))
    grid.xlabel_style = grid.ylabel_style = {"size": 8, "color": QUIET}
    axes.spines["geo"].set(linewidth=0.8, edgecolor=QUIET)


def _draw_region(axes: GeoAxes, region: Region, middle: float) -> np.ndarray:
    """Draw the region's edge and return points along it (n, 2)."""
    x = region.longitude - region.west + wrap(region.west, DOMAIN.west) - middle
    y = region.latitude
    south, north = (np.column_stack([x, np.full_like(x, at)]) for at in (region.south, region.north))
    west, east = (np.column_stack([np.full_like(y, at), y]) for at in (x[0], x[-1]))
    edge = np.vstack([north, east, south[::-1], west[::-1]])
    axes.plot(edge[:, 0], edge[:, 1], **REGION_LINE, zorder=3)
    return edge


def _cone_shapes(cone: Mapping[float, BaseGeometry], view: View) -> dict[float, BaseGeometry]:
    """Return the cone's polygons, the widest first, on the turn of longitudes that the view is on."""
    import shapely

    if cone and not view.single:
        raise InputError("a cone is drawn around one forecast; the table holds several init times.")
    widest_first = {level: cone[level] for level in sorted(cone, reverse=True)}
    turns = {p: wrap(shape.centroid.x, DOMAIN.west) - shape.centroid.x for p, shape in widest_first.items()}
    return {p: shapely.transform(shape, lambda xy, p=p: xy - [-turns[p], 0.0]) for p, shape in widest_first.items()}


def _draw_cone(axes: GeoAxes, shapes: Mapping[float, BaseGeometry], middle: float) -> None:
    import shapely

    for shape in shapes.values():
        moved = shapely.transform(shape, lambda xy: xy - [middle, 0.0])
        axes.add_geometries([moved], crs=axes.projection, **CONE_FILL, zorder=2.5)
        axes.add_geometries([moved], crs=axes.projection, **CONE_EDGE, zorder=3.5)


def _draw_tracks(axes: GeoAxes, view: View, middle: float, *, keep_clear: np.ndarray) -> None:
    best, forecast = view.best, view.forecast
    x, y = best["lon"].to_numpy() - middle, best["lat"].to_numpy()
    axes.plot(x, y, **BEST_LINE, zorder=4)
    for at in np.flatnonzero(~mark_interpolated(best)):
        axes.plot(x[at], y[at], **_best_mark(intensity(best["wind"].iloc[at])), zorder=5)
    fx, fy = forecast["lon"].to_numpy() - middle, forecast["lat"].to_numpy()
    true_lat, true_lon = truth_at(best, forecast["time"])
    axes.plot([fx, true_lon - middle], [fy, true_lat], **FORECAST_LINE, zorder=6)
    axes.plot(true_lon - middle, true_lat, **TRUTH_MARK, zorder=4.5)
    if view.single:
        axes.plot(fx, fy, "-", color=FORECAST, lw=1.6, zorder=6)
    axes.plot(fx, fy, **FORECAST_MARK, ls="", zorder=7)
    date_labels.draw(axes, best, x, y, np.vstack([np.column_stack([fx, fy]), keep_clear]))


def _draw_legend(figure: Figure, view: View, region: Region | None, shapes: Mapping[float, BaseGeometry]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    classes = [*INTENSITIES, *([UNKNOWN] if view.best["wind"].isna().any() else [])]
    best = [Line2D([], [], **BEST_LINE, **_best_mark(c), label=c.label) for c in classes]
    # With a cone beside it the row has no room for more words.
    label = "forecast, joined to the truth" if shapes else "forecast, joined to the truth at its valid time"
    others: list[Line2D | Patch] = [Line2D([], [], **FORECAST_LINE, **FORECAST_MARK, label=label)]
    if shapes:
        levels = " and ".join(f"{100 * level:.0f} %" for level in sorted(shapes))
        others.append(Patch(**CONE_FILL, label=f"{levels} of past errors"))
    if region is not None:
        others.append(Line2D([], [], **REGION_LINE, label="region of the fields"))
    style: Style = {
        "frameon": False,
        "fontsize": 8,
        "borderaxespad": 0.0,
        "handletextpad": 0.5,
        "columnspacing": 1.0,
        "handlelength": 1.6,
    }
    left, right = MAP_BOX[0], MAP_BOX[0] + MAP_BOX[2]
    figure.text(left, 0.113, "Best track, wind in m/s", size=8, va="baseline")
    figure.legend(handles=others, loc="lower right", bbox_to_anchor=(right, 0.102), ncols=len(others), **style)
    figure.legend(handles=best, loc="lower left", bbox_to_anchor=(left - 0.005, 0.058), ncols=len(best), **style)


def _best_mark(of: Intensity) -> Style:
    return {"marker": "o", "ms": of.size, "mfc": of.colour, "mec": INK, "mew": 0.5}
