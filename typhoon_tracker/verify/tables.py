"""Tables for the terminal: errors by storm and by component, comparisons, cones, agencies, detections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from typhoon_tracker.verify.report import BROKEN

if TYPE_CHECKING:
    from rich.table import Table

    from typhoon_tracker.verify.detection import Detection


def storm_table(storms: pd.DataFrame, *, title: str = "", caption: str = "") -> Table:
    """Return errors by storm (from `breakdown.by_storm`) as a table: a row a lead and storm, a column a method."""
    from rich.table import Table

    drawn = Table(title=title or None, caption=caption or "mean errors in km", padding=0)
    methods = list(dict.fromkeys(storms["method"]))
    for heading in ("lead", "storm", "n", *(BROKEN.get(method, method) for method in methods)):
        drawn.add_column(heading, justify="left" if heading == "storm" else "right", overflow="fold")
    for (lead, storm), rows in storms.groupby(["lead_time", "track_id"], sort=False):
        by_method = rows.set_index("method")
        cells = [_cell(by_method["mean"].get(method, np.nan)) for method in methods]
        drawn.add_row(_lead(lead), str(storm), str(rows["n"].iloc[0]), *cells)
    return drawn


def comparison(compared: pd.DataFrame, *, title: str = "", caption: str = "") -> Table:
    """Return comparisons (from `statistics.compare`, one or several references) as a table: a row a lead and pair."""
    from rich.table import Table

    said = caption or "difference of the means with its 95 % interval, over storms"
    drawn = Table(title=title or None, caption=said, padding=0)
    for heading in ("lead", "method", "against"):
        drawn.add_column(heading, justify="right" if heading == "lead" else "left", no_wrap=True)
    for heading in ("n", "storms", "diff.\nkm", "95 %", "p", "skill\n%", "nearer\n%"):
        drawn.add_column(heading, justify="right", overflow="fold")
    for row in compared.to_dict("records"):
        p_value = "-" if np.isnan(row["p_value"]) else f"{row['p_value']:.4f}"
        drawn.add_row(
            *(_lead(row["lead_time"]), str(row["method"]), str(row["reference"]), str(row["n"]), str(row["storms"])),
            *(_cell(row["difference"], sign=True), _span(row["low"], row["high"]), p_value),
            *(_cell(row["skill"], sign=True), _cell(100 * row["superior"])),
        )
    return drawn


def component_table(parts: pd.DataFrame, *, title: str = "", caption: str = "") -> Table:
    """Return along- and cross-track errors (from `breakdown.components`) as a table: a row a lead and method."""
    from rich.table import Table

    said = caption or "km; bias ahead and to the right positive, its 95 % interval, mean of the absolute values"
    drawn = Table(title=title or None, caption=said, padding=0)
    along, cross = (("bias\n" + name, "95 %", "abs.\n" + name) for name in ("along", "cross"))
    for heading in ("lead", "method", "n", "inde-\npend.", *along, *cross):
        drawn.add_column(heading, justify="left" if heading == "method" else "right", overflow="fold")
    for row in parts.to_dict("records"):
        cells = []
        for name in ("along", "cross"):
            cells.append(_cell(row[f"{name}_bias"], sign=True))
            cells.append(_span(row[f"{name}_low"], row[f"{name}_high"]))
            cells.append(_cell(row[f"{name}_abs"]))
        independent = _cell(row["n_effective"], digits=0)
        drawn.add_row(_lead(row["lead_time"]), str(row["method"]), str(row["n"]), independent, *cells)
    return drawn


def intensity_table(intensities: pd.DataFrame, *, title: str = "", caption: str = "") -> Table:
    """Return intensity errors (from `breakdown.intensity`) as a table, hPa and m/s; methods without are left out."""
    from rich.table import Table

    said = caption or "forecast minus truth, the 95 % interval of the bias, mean of the absolute values"
    drawn = Table(title=title or None, caption=said, padding=0)
    for heading in ("lead", "method", "n", "msl\nhPa", "95 %", "|msl|", "n", "wind\nm/s", "95 %", "|wind|"):
        drawn.add_column(heading, justify="left" if heading == "method" else "right", overflow="fold")
    for row in intensities[intensities[["msl_n", "wind_n"]].any(axis=1)].to_dict("records"):
        cells = []
        for name, unit in (("msl", 100.0), ("wind", 1.0)):
            bias, low, high, mae = (row[f"{name}_{kind}"] / unit for kind in ("bias", "low", "high", "mae"))
            cells += [str(row[f"{name}_n"]), _cell(bias, sign=True), _span(low, high), _cell(mae)]
        drawn.add_row(_lead(row["lead_time"]), str(row["method"]), *cells)
    return drawn


def coverage_table(covered: pd.DataFrame, *, title: str = "", caption: str = "") -> Table:
    """Return a cone's coverage (from `cone.coverage`) as a table: a row a lead, for each level radius and share."""
    from rich.table import Table

    drawn = Table(
        title=title or None, caption=caption or "share of the truth inside the cone, 95 % interval over storms"
    )
    drawn.add_column("lead", justify="right")
    levels = sorted(covered["level"].unique())
    for heading in ("n", "storms", *(text for p in levels for text in (f"{100 * p:g} % km", "in %", "95 %"))):
        drawn.add_column(heading, justify="right")
    for lead, rows in covered.groupby("lead_time", sort=True, dropna=False):
        by_level = rows.set_index("level")
        cells = []
        for level in levels:
            row = by_level.loc[level]
            cells += [_cell(row["radius_km"], digits=0), _cell(100 * row["inside"])]
            cells.append(_span(100 * row["low"], 100 * row["high"], digits=0))
        drawn.add_row("all" if pd.isna(lead) else _lead(lead), str(row["n"]), str(row["storms"]), *cells)
    return drawn


def agency_table(spread: pd.DataFrame, *, title: str, caption: str = "") -> Table:
    """Return the distance between two agencies' positions (from `agency_spread.summary`) as a table, a row a class."""
    from rich.table import Table

    drawn = Table(title=title, caption=caption or None)
    drawn.add_column("class", no_wrap=True)
    for heading in ("n", "storms", "mean km", "95 %", "median km", "p90 km", "msl hPa", "std"):
        drawn.add_column(heading, justify="right")
    for name, row in spread.iterrows():
        span = _span(row["low"], row["high"])
        pressures = (_cell(row["msl_mean"] / 100, sign=True), _cell(row["msl_std"] / 100))
        counts = (f"{row['n']:.0f}", f"{row['storms']:.0f}")
        drawn.add_row(str(name), *counts, _cell(row["mean"]), span, _cell(row["median"]), _cell(row["p90"]), *pressures)
    return drawn


def detection_table(found: Detection, *, title: str = "", caption: str = "") -> Table:
    """Return hits, misses and false alarms (from `detection.judge`) as a table of two columns."""
    from rich.table import Table

    drawn = Table(title=title or None, caption=caption or "FAR: false alarms among all judged fixes; storms clustered")
    drawn.add_column("measure")
    drawn.add_column("value", justify="right")
    shares = {"POD %": found.pod, "FAR %": found.far, "CSI %": found.csi}
    counts = {
        "hits": found.hits,
        "misses": found.misses,
        "false alarms": found.false_alarms,
        "not judged": found.neutral,
        "storms found": f"{found.storms_found} of {found.storms}",
        "of them in pieces": found.broken,
        "false tracks": f"{found.false_tracks} of {found.tracks}",
    }
    for name, value in counts.items():
        drawn.add_row(name, str(value))
    for name, share in shares.items():
        drawn.add_row(name, _cell(100 * share))
    drawn.add_row("POD 95 %", _span(*(100 * end for end in found.pod_interval)))
    drawn.add_row("mean distance km", _cell(found.mean_error))
    return drawn


def _lead(lead: object) -> str:
    return f"{pd.Timedelta(lead) / pd.Timedelta(hours=1):g} h"  # type: ignore[arg-type]


def _cell(value: float, *, digits: int = 1, sign: bool = False) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def _span(low: float, high: float, *, digits: int = 1) -> str:
    unknown = np.isnan(low) or np.isnan(high)
    return "-" if unknown else "..".join(_cell(end, digits=digits) for end in (low, high))
