"""Summaries of errors as a table for the terminal and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from typhoon_tracker.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from typhoon_tracker.verify.cone import Cone

# Long headings take two lines, so that a row with a cone has room on 80 columns.
BROKEN = {
    "adjusted": "ad-\njusted",
    "consensus": "con-\nsensus",
    "persistence": "persis-\ntence",
    "cliper_fields": "cliper\nfields",
    "stationary": "stat-\nionary",
    "analysis": "analy-\nsis",
}
STATISTICS = ("mean", "median", "p90")


def table(summary: pd.DataFrame, *, title: str = "", caption: str = "") -> Table:
    """Return a summary (from `statistics.summary`) as a table: method, n, lost, mean, median, p90 km.

    A column `lead` leads where there is more than one. `caption` is the place for fields, weights and the agency.
    """
    from rich.table import Table

    several = len(summary["lead_time"].unique()) > 1
    drawn = Table(title=title or None, caption=caption or None)
    if several:
        drawn.add_column("lead", justify="right")
    drawn.add_column("method")
    for heading in ("n", "lost", "mean km", "median km", "p90 km"):
        drawn.add_column(heading, justify="right")
    for row in summary.to_dict("records"):
        numbers = ["-" if np.isnan(row[name]) else f"{row[name]:.1f}" for name in STATISTICS]
        lead = [f"{row['lead_time'] / pd.Timedelta(hours=1):g} h"] if several else []
        drawn.add_row(*lead, str(row["method"]), str(row["n"]), str(row["lost"]), *numbers)
    return drawn


def one_forecast(errors: pd.DataFrame, *, title: str = "", cone: Cone | None = None) -> Table:
    """Return the errors (from `errors.score`) of a single forecast as a table: a row a lead, its fix, all methods.

    With a `cone`, its radii (km) beside the fix.
    """
    from rich.table import Table

    drawn = Table(title=title or None, caption="errors in km; * against interpolated truth; - lost", padding=0)
    methods = list(dict.fromkeys(errors["method"]))
    levels = cone.levels if cone is not None else ()
    for heading in ("lead", "valid", "lat", "lon", *(f"{100 * level:g} %" for level in levels), *methods):
        drawn.add_column(BROKEN.get(heading, heading), justify="right", no_wrap=True)
    for _, rows in errors.groupby("lead_time", sort=True):
        lead = rows["lead_time"].dt.total_seconds().iloc[0] / 3600
        by_method = rows.set_index("method")
        model = by_method.loc["model"]
        kilometres = [
            "-" if np.isnan(by_method["error_km"][name]) else f"{by_method['error_km'][name]:.0f}" for name in methods
        ]
        place = ["-" if np.isnan(model[name]) else f"{model[name]:.2f}" for name in ("lat", "lon")]
        radii = [f"{cone.radius(lead, level):.0f}" for level in levels] if cone is not None else []
        mark = " *" if model["interpolated"] else ""
        drawn.add_row(f"{lead:g} h", f"{model['time']:%d %HZ}{mark}", *place, *radii, *kilometres)
    return drawn


def assessment(summary: pd.DataFrame, *, title: str) -> Table:
    """Return the tracker's score on real storms (from `tracker.assess.summary`) as a table, a row a class of wind."""
    from rich.table import Table

    caption = "distance of the fix to the best-track centre, and ±, the median of what the fix gives as its error"
    drawn = Table(title=title, caption=caption)
    drawn.add_column("class")
    for heading in ("frames", "found %", "mean km", "median km", "p90 km", "± km", "within 2± %"):
        drawn.add_column(heading, justify="right")
    for name, row in summary.iterrows():
        distances = (f"{row[key]:.1f}" for key in STATISTICS)
        bar = f"{row['error']:.1f}", f"{100 * row['within']:.0f}"
        drawn.add_row(str(name), f"{row['frames']:.0f}", f"{100 * row['found']:.1f}", *distances, *bar)
    return drawn


def as_json(summary: pd.DataFrame) -> dict[str, dict[str, float | int | None]]:
    """Return a summary of one lead as {method: {n, mean, median, p90}}, km rounded to 0.1, None for NaN.

    Raises InputError where the summary holds more than one lead.
    """
    leads = summary["lead_time"].unique()
    if len(leads) > 1:
        raise InputError(f"a summary of {len(leads)} leads came where 1 is written; pass the rows of one lead_time.")
    plain: dict[str, dict[str, float | int | None]] = {}
    for row in summary.to_dict("records"):
        plain[str(row["method"])] = {"n": int(row["n"]), **{name: _rounded(row[name]) for name in STATISTICS}}
    return plain


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 1)
