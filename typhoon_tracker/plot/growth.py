"""The figure of a season: how the error of each method grows with lead, and storm by storm at one lead."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from typhoon_tracker.errors import InputError
from typhoon_tracker.plot.style import GRID, INK, METHODS, QUIET, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 7.5, 150
ROW = 0.26  # inches of height a storm
LINE, LETTERS = 0.12, 135  # inches of height a line under the figure, and its letters


def draw_growth(
    summary: pd.DataFrame, *, title: str, subtitle: str, truth_km: tuple[float, str] | None = None
) -> Figure:
    """Return the figure of mean track error against lead, a line a method with its 95 % interval.

    `summary` is from `verify.statistics.summary`: the methods of `plot.style.METHODS` in it are drawn, all on the same
    cases, whose number stands above each lead. `truth_km` is a distance and its name, drawn across: how well the truth
    itself is known. `subtitle` says where fields, weights and truth come from. Raises InputError where there is none.
    """
    shown = [name for name in METHODS if name in set(summary["method"])]
    if not shown:
        raise InputError(f"the summary holds no method that is drawn; these are: {', '.join(METHODS)}.")
    figure, axes = _figure(4.8, title, subtitle, left=0.09)
    top = 0.0
    for order, name in enumerate(shown):
        method, rows = METHODS[name], summary[summary["method"] == name].sort_values("lead_time")
        x = _hours(rows)
        line: Style = {"color": method.colour, "lw": max(method.width, 1.2), "ls": method.line}
        mark: Style = {"marker": method.marker, "ms": 5.0, "mfc": "white", "mew": 1.1}
        axes.fill_between(x, rows["low"], rows["high"], color=method.colour, alpha=0.13, lw=0, zorder=3)
        axes.plot(x, rows["mean"], **line, **mark, label=method.label, zorder=9 - order)
        top = float(np.nanmax([top, *rows["high"], *rows["mean"]]))
    if truth_km is not None:
        axes.axhline(truth_km[0], color=QUIET, lw=0.9, ls=(0, (1, 2)), zorder=2, label=truth_km[1])
    cases = summary[summary["method"] == shown[0]].sort_values("lead_time")
    for x, n in zip(_hours(cases), cases["n"], strict=True):
        axes.annotate(
            f"{n}", (x, 1.0), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", **NUMBER
        )
    axes.annotate("cases", (0.0, 1.0), (-6, 3), "axes fraction", "offset points", **(NUMBER | {"ha": "right"}))
    ticks = _hours(cases)
    axes.set_xticks(ticks if len(ticks) <= 12 else ticks[:: -(-len(ticks) // 12)])
    axes.set_xlim(0, None)
    axes.set_ylim(0, 1.1 * top if top > 0 else 1.0)
    axes.set_xlabel("lead time, h", fontsize=9)
    axes.set_ylabel("mean track error, km", fontsize=9)
    axes.legend(loc="upper left", fontsize=8.5, frameon=False)
    return figure


def draw_storms(
    storms: pd.DataFrame, *, title: str, subtitle: str, lead_hours: float, names: Mapping[str, str] | None = None
) -> Figure:
    """Return the figure of the mean error of each storm at one lead, a row a storm, a mark a method, worst at the top.

    `storms` is from `verify.breakdown.by_storm`; `names` maps storm ids to what is written. Storms in which no case is
    common to all methods are left out. Raises InputError where none is left at the lead.
    """
    table = storms[(_hours(storms) == lead_hours) & storms["method"].isin(METHODS) & (storms["n"] > 0)]
    if table.empty:
        leads = ", ".join(f"{h:g}" for h in sorted(set(_hours(storms))))
        raise InputError(f"no storm has an error at {lead_hours:g} h; the table has the leads {leads or 'none'}.")
    shown = [name for name in METHODS if name in set(table["method"])]
    wide = table.pivot_table(index="track_id", columns="method", values="mean")
    order = wide[shown[0]].sort_values().index
    counts = table.drop_duplicates("track_id").set_index("track_id")["n"]
    figure, axes = _figure(1.5 + ROW * len(order), title, subtitle, left=0.20)
    y = np.arange(len(order))
    best, worst = wide.loc[order, shown].min(axis=1), wide.loc[order, shown].max(axis=1)
    axes.hlines(y, best, worst, color=GRID, lw=1.0, zorder=2)
    for rank, name in enumerate(shown):
        method = METHODS[name]
        look: Style = {"color": method.colour, "marker": method.marker or "|", "ms": 6.0, "mew": 1.3, "ls": ""}
        fill: Style = {"mfc": method.colour if name == "model" else "white"}
        axes.plot(wide.loc[order, name], y, **look, **fill, label=method.label, zorder=9 - rank)
    labels = [f"{(names or {}).get(storm) or storm}  ({counts[storm]})" for storm in order]
    axes.set_yticks(y, labels, fontsize=8)
    axes.set_ylim(-0.8, len(order) - 0.2)
    axes.set_xlim(0, None)
    axes.set_xlabel(f"mean track error at {lead_hours:g} h, km (cases in brackets)", fontsize=9)
    # Above the axes: within them it would hide marks.
    above: Style = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncol": len(shown)}
    axes.legend(**above, fontsize=7.0, frameon=False, columnspacing=0.9, handletextpad=0.2, borderaxespad=0.2)
    return figure


NUMBER: Style = {"ha": "center", "va": "bottom", "fontsize": 7.0, "color": QUIET}


def _figure(height: float, title: str, subtitle: str, *, left: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [piece for line in subtitle.splitlines() for piece in textwrap.wrap(line, LETTERS)]
    height += LINE * len(lines)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)  # a canvas of its own: pyplot's state and a notebook's backend stay as they are
    right, top, bottom = 0.975, 1 - 0.72 / height, (0.65 + LINE * len(lines)) / height
    axes = figure.add_axes((left, bottom, right - left, top - bottom))
    figure.text(0.02, 1 - 0.32 / height, title, size=12, weight="bold", color=INK, va="baseline")
    figure.text(0.02, 0.10 / height, "\n".join(lines), size=6.5, color=QUIET, va="baseline")
    axes.grid(color=GRID, lw=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5)
    return figure, axes


def _hours(table: pd.DataFrame) -> np.ndarray:
    return (table["lead_time"].dt.total_seconds() / 3600).to_numpy(float)
