"""The panels beside the map: error of every forecast over time, and the mean of each method over the same cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from typhoon_tracker.plot.style import GRID, INK, METHODS, QUIET, Style, mark_interpolated

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_errors(axes: Axes, errors: pd.DataFrame, *, against_lead: bool) -> None:
    """Draw great-circle errors (km) against valid or lead time, a line a method; losses are crosses on the axis."""
    from matplotlib.lines import Line2D

    handles = []
    for order, (name, method) in enumerate(METHODS.items()):
        rows = errors[errors["method"] == name].sort_values("time")
        if rows.empty:
            continue
        x = (rows["lead_time"].dt.total_seconds() / 3600 if against_lead else rows["time"]).to_numpy()
        km = rows["error_km"].to_numpy(float)
        line: Style = {"color": method.colour, "lw": method.width, "ls": method.line}
        mark: Style = {"color": method.colour, "marker": method.marker, "mfc": "white", "mew": 1.0}
        axes.plot(x, km, **line, zorder=6 - order)
        small = mark_interpolated(rows)
        for chosen, size in ((~small, 4.0), (small, 2.2)):
            axes.plot(x[chosen], km[chosen], **mark, ls="", ms=size, zorder=6 - order)
        handles.append(Line2D([], [], **(mark | line), ms=4.5, label=method.label))
        lost = np.isnan(km)
        if lost.any() and name == "model":  # a baseline without an error had too short a past
            cross: Style = {"color": method.colour, "marker": "X", "mec": "white", "mew": 0.5, "ms": 7.5, "ls": ""}
            axes.plot(
                x[lost], np.zeros(lost.sum()), **cross, transform=axes.get_xaxis_transform(), clip_on=False, zorder=8
            )
            handles.append(Line2D([], [], **cross, label=f"{method.label}, storm lost ({lost.sum()})"))
    # Room for the legend above the lines.
    highest = errors["error_km"].max()
    axes.set_ylim(0, 1.0 if np.isnan(highest) else highest * 1.32)
    axes.legend(
        handles=handles, loc="upper left", ncols=2, fontsize=7.5, frameon=False, columnspacing=1.2, borderaxespad=0.2
    )
    axes.set_ylabel("track error, km", fontsize=9)
    axes.set_xlabel("lead time, h" if against_lead else "valid time, UTC", fontsize=9)
    if not against_lead and len(errors):
        ticks = _time_ticks(errors["time"])
        axes.set_xticks(ticks, [f"{t.day} {t:%b}" if t.hour == 0 else f"{t:%H}Z" for t in ticks])
    axes.tick_params(labelsize=8.5)
    axes.grid(color=GRID, lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _time_ticks(times: pd.Series) -> pd.DatetimeIndex:
    """Return at most seven round times that span `times`."""
    for hours in (3, 6, 12, 24, 48, 72, 120, 240, 480):
        step = f"{hours}h"
        first = times.min().floor("D") if hours >= 24 else times.min().floor(step)
        ticks = pd.date_range(first, times.max(), freq=step)
        if len(ticks[ticks >= times.min()]) <= 6:
            break
    return ticks[ticks >= times.min()]


def draw_means(axes: Axes, errors: pd.DataFrame) -> None:
    """Draw the mean error of each method over the cases all but the analysis have, as bars with numbers."""
    means, cases, between = means_over_common_cases(errors)
    names = [name for name in METHODS if name in means.index]
    for row, name in enumerate(names):
        method, mean = METHODS[name], float(means[name])
        km = 0.0 if np.isnan(mean) else mean
        hatch = "" if name == "model" else "//"
        axes.barh(row, km, height=0.62, color=method.colour, hatch=hatch, ec="white", lw=0)
        said = "no case" if np.isnan(mean) else f"{mean:.0f} km"
        lost = int(errors.loc[errors["method"] == "model", "error_km"].isna().sum())
        if name == "model" and lost:
            said += f", {lost} lost"
        axes.annotate(said, (km, row), (4, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK)
    axes.set_yticks(range(len(names)), [METHODS[name].label for name in names], fontsize=8.5)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.45 * max([1.0, *means.dropna()]))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    note = f"Mean over the {cases} cases that all methods have"
    if between:
        note += f",\n{'all' if between == cases else between} against interpolated truth (small marks)"
    axes.set_title(note, loc="left", x=-0.42, fontsize=8.5, color=QUIET)


def means_over_common_cases(errors: pd.DataFrame) -> tuple[pd.Series, int, int]:
    """Return the mean error (km) of each method, the number of common cases and how many have interpolated truth.

    A case is an init and a lead time; those count for which model and baselines all have an error. The analysis is no
    forecast and is averaged over what it has of them.
    """
    case = ["init_time", "lead_time"]
    km = errors.pivot_table(index=case, columns="method", values="error_km", dropna=False).dropna(how="all")
    rivals = [name for name in km if name != "analysis"]
    km = km[km[rivals].notna().all(axis=1)]
    small = errors[mark_interpolated(errors)].drop_duplicates(case).set_index(case).index
    return km.mean(), len(km), int(km.index.isin(small).sum())
