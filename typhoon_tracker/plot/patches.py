"""A storm's surroundings on grids of different spacing beside each other, with the centres found on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from typhoon_tracker.geo.land import DOMAIN, coastline
from typhoon_tracker.geo.sphere import wrap
from typhoon_tracker.plot.style import FORECAST, INK, QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REACH = 2.5  # degrees about the best track's centre that are shown
DPI = 130
WIDE, HIGH = 3.6, 3.35  # inches of a panel with its surroundings
WIND, PRESSURE = "cividis", "cividis_r"
MARKS: tuple[dict[str, Any], ...] = (
    {"marker": "o", "mfc": "none", "mec": INK, "ms": 11, "mew": 1.8},
    {"marker": "D", "mfc": "none", "mec": FORECAST, "ms": 8, "mew": 1.8},
    {"marker": "x", "mec": "#0072b2", "ms": 8, "mew": 2.2},
)
LOWEST: dict[str, Any] = {"marker": "+", "mec": INK, "ms": 9, "mew": 1.6}
BARS = ("#c9c9c9", "#0072b2")  # coarse, fine


@dataclass(frozen=True, eq=False)
class Panel:
    """Wind speed (m s-1) and, where there is one, MSL (Pa), each (latitude, longitude), and the lowest grid point."""

    title: str
    latitude: np.ndarray
    longitude: np.ndarray
    wind: np.ndarray
    msl: np.ndarray | None = None
    lowest: tuple[float, float] | None = None


@dataclass(frozen=True)
class Mark:
    """A position on every panel."""

    label: str
    lat: float
    lon: float


def draw(
    panels: Sequence[Panel],
    marks: Sequence[Mark],
    *,
    title: str,
    subtitle: str,
    errors: Mapping[str, tuple[float, float]] | None = None,
    reach: float = REACH,
) -> Figure:
    """Return a figure with a column a panel, MSL above wind speed, on common scales, `reach` degrees about the first
    mark.

    `marks` are up to three: the best track's centre, then fixes; one that is NaN is left out. `errors` are mean km to
    the best track by method, coarse and fine, drawn as bars. `subtitle` says where the fields come from.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [name for name in ("msl", "wind") if all(getattr(panel, name) is not None for panel in panels)]
    columns = len(panels) + bool(errors)
    size = (WIDE * columns + 0.6, HIGH * len(rows) + 1.15)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    bottom, top = 0.80 / size[1], 1.0 - 0.62 / size[1]
    grid = figure.add_gridspec(
        len(rows), columns, left=0.55 / size[0], right=1.0 - 0.25 / size[0], bottom=bottom + 0.2 / size[1], top=top,
        wspace=0.32, hspace=0.28,
    )  # fmt: skip
    for i, name in enumerate(rows):
        shown = [_near(panel, name, marks[0], reach) for panel in panels]
        low, high = min(float(part.min()) for part in shown), max(float(part.max()) for part in shown)
        for j, panel in enumerate(panels):
            axes = figure.add_subplot(grid[i, j])
            _field(axes, panel, name, (low, high), marks, reach)
    if errors:
        _bars(figure.add_subplot(grid[:, -1]), errors)
    _legend(figure, marks, [panel for panel in panels if panel.lowest], bottom)
    left = 0.55 / size[0]
    figure.text(left, 1.0 - 0.3 / size[1], title, size=12, weight="bold", color=INK, va="baseline")
    figure.text(left, 0.10 / size[1], subtitle, size=7.5, color=QUIET, va="bottom")
    return figure


def _near(panel: Panel, name: str, centre: Mark, reach: float) -> np.ndarray:
    rows = np.abs(panel.latitude - centre.lat) <= reach
    columns = np.abs(panel.longitude - centre.lon) <= reach / np.cos(np.deg2rad(centre.lat))
    values = getattr(panel, name)[np.ix_(rows, columns)]
    return values / 100.0 if name == "msl" else values


def _field(
    axes: Axes, panel: Panel, name: str, scale: tuple[float, float], marks: Sequence[Mark], reach: float
) -> None:
    values = getattr(panel, name) / (100.0 if name == "msl" else 1.0)
    colours, label = (PRESSURE, "MSL, hPa") if name == "msl" else (WIND, "10 m wind, m/s")
    drawn = axes.pcolormesh(
        panel.longitude,
        panel.latitude,
        values,
        shading="nearest",
        cmap=colours,
        vmin=scale[0],
        vmax=scale[1],
        rasterized=True,
    )
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.045, pad=0.03)
    bar.ax.tick_params(labelsize=7)
    centre = marks[0]
    shrink = np.cos(np.deg2rad(centre.lat))
    _coast(axes, centre)
    if panel.lowest is not None and name == "msl":
        axes.plot(panel.lowest[1], panel.lowest[0], ls="", **LOWEST)
    for mark, style in zip(marks, MARKS, strict=False):
        axes.plot(mark.lon, mark.lat, ls="", **style)
    axes.set(xlim=(centre.lon - reach / shrink, centre.lon + reach / shrink))
    axes.set(ylim=(centre.lat - reach, centre.lat + reach), aspect=1.0 / shrink)
    axes.set_title(f"{label}: {panel.title}", size=9, color=INK, loc="left")
    axes.tick_params(labelsize=7, color=QUIET, labelcolor=QUIET)


def _coast(axes: Axes, centre: Mark) -> None:
    import shapely

    middle = float(wrap(centre.lon, DOMAIN.west))
    part = shapely.clip_by_rect(coastline(), middle - 8, centre.lat - 8, middle + 8, centre.lat + 8)
    for line in shapely.get_parts(shapely.boundary(part)):
        x, y = np.asarray(line.coords).T
        axes.plot(x + (centre.lon - middle), y, color="white", lw=0.9)


def _bars(axes: Axes, errors: Mapping[str, tuple[float, float]]) -> None:
    at = np.arange(len(errors))[::-1]
    for i, (grid, colour) in enumerate(zip(("coarse", "fine"), BARS, strict=True)):
        values = [pair[i] for pair in errors.values()]
        bars = axes.barh(at + 0.2 - 0.4 * i, values, height=0.36, color=colour, label=grid)
        axes.bar_label(bars, fmt="%.1f", size=8, padding=2, color=INK)
    axes.set_yticks(at, list(errors), rotation=90, va="center")
    axes.set_xlim(0, 1.2 * max(max(pair) for pair in errors.values()))
    axes.set_title("mean km to the best track, same cases", size=9, color=INK, loc="left")
    axes.tick_params(labelsize=8, color=QUIET, labelcolor=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _legend(figure: Figure, marks: Sequence[Mark], lowest: Sequence[Panel], bottom: float) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], ls="", **style, label=mark.label) for mark, style in zip(marks, MARKS, strict=False)]
    if lowest:
        handles.append(Line2D([], [], ls="", **LOWEST, label="lowest grid point"))
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.03, bottom - 0.045), ncols=len(handles),
                  frameon=False, fontsize=8)  # fmt: skip
