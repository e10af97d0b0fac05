"""The scores of real storms: kept per case, summed up over the same cases for every method.

    python -m typhoon_tracker.real_storms.report models/met2net-storms-2016/cases.csv.xz

prints the table of the cases that a run has kept.
"""

from __future__ import annotations

import lzma
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from typhoon_tracker.errors import InputError
from typhoon_tracker.verify.past import TROPICAL_STORM
from typhoon_tracker.verify.statistics import compare, summary

if TYPE_CHECKING:
    from rich.table import Table

CASE = ["track_id", "init_time", "lead_time", "truth_lat", "truth_lon", "init_wind", "truth_wind"]
HOUR = pd.Timedelta(hours=1)
REFERENCES = ("persistence", "cliper")
PAIR = ("met2net tuned, adjusted", "tau tuned, adjusted")  # trained alike, told apart by the network alone
PARTS = {"error_km": "", "lat": " lat", "lon": " lon"}  # of a method's columns


def write_cases(errors: pd.DataFrame, path: Path) -> None:
    """Write the errors (from `score.errors_of`, storms one below another) as CSV, a row a case, a column a method, km.

    The positions are in the columns `METHOD lat` and `METHOD lon`; empty where the method lost the storm.
    """
    wide = errors.set_index([*CASE, "method"])[["error_km", "lat", "lon"]].unstack("method")  # noqa: PD010  keeps losses
    methods = list(dict.fromkeys(errors["method"]))
    columns = {f"{method}{suffix}": wide[name, method] for method in methods for name, suffix in PARTS.items()}
    table = pd.DataFrame(columns).reset_index()
    table["lead_time"] = table["lead_time"].dt.total_seconds().astype(int) // 3600
    partial = path.with_name(f".{path.name}")
    table.to_csv(partial, index=False, compression="xz", float_format="%.2f", date_format="%Y-%m-%dT%H")
    os.replace(partial, path)


def read_cases(path: str | Path) -> pd.DataFrame:
    """Return the errors kept in a file of `write_cases`; raise InputError where it is none."""
    try:
        table = pd.read_csv(path, compression="xz", parse_dates=["init_time"])
    except (OSError, ValueError, EOFError, lzma.LZMAError) as error:
        raise InputError(f"{path} cannot be read as the cases of real storms: {error}.") from error
    missing = [name for name in CASE if name not in table]
    if missing:
        raise InputError(f"{path} holds no cases of real storms: it lacks {', '.join(missing)}.")
    table["lead_time"] = pd.to_timedelta(table["lead_time"], unit="h")
    methods = [name for name in table.columns.astype(str) if f"{name} lat" in table]
    parts = [
        table[CASE].assign(method=method, **{name: table[f"{method}{suffix}"] for name, suffix in PARTS.items()})
        for method in methods
    ]
    return pd.concat(parts, ignore_index=True)


def of_storms(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the cases in which the storm has 17.2 m/s or more at both ends of the lead."""
    return errors[(errors["init_wind"] >= TROPICAL_STORM) & (errors["truth_wind"] >= TROPICAL_STORM)]


def scores(errors: pd.DataFrame) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """Return {lead: {method: {n, lost, mean, low, high, p_vs_persistence, p_vs_cliper}}}, km, over the same cases."""
    against = {
        name: compare(errors, reference=name).set_index(["lead_time", "method"])["p_value"] for name in REFERENCES
    }
    plain: dict[str, dict[str, dict[str, float | int | None]]] = {}
    for row in summary(errors).to_dict("records"):
        key = row["lead_time"], row["method"]
        entry: dict[str, float | int | None] = {name: int(row[name]) for name in ("cases", "n", "lost")}
        entry |= {name: _rounded(row[name], 1) for name in ("mean", "low", "high")}
        entry |= {f"p_vs_{name}": _rounded(p[key], 4) for name, p in against.items() if key in p.index}
        plain.setdefault(f"{row['lead_time'] / HOUR:g}h", {})[str(row["method"])] = entry
    return plain


def table(scored: dict[str, dict[str, dict[str, float | int | None]]], *, title: str, caption: str = "") -> Table:
    """Return the scores as a table, a row a lead and method: cases, losses, mean in km, its 95 % interval, p-values."""
    from rich.table import Table

    drawn = Table(title=title, caption=caption or None, box=None, padding=(0, 1), pad_edge=False)
    for heading in ("lead", "method", "n", "lost", "mean", "95 %", *(f"p {name[:4]}." for name in REFERENCES)):
        justify: Literal["left", "right"] = "left" if heading == "method" else "right"
        drawn.add_column(heading, justify=justify, no_wrap=heading in ("method", "95 %"))
    for lead, rows in scored.items():
        for method, row in rows.items():
            span = "-" if row["low"] is None else f"{row['low']:.0f}..{row['high']:.0f}"
            values = (row.get(f"p_vs_{name}") for name in REFERENCES)
            chances = ["" if value is None else f"{value:.4f}" for value in values]
            mean = "-" if row["mean"] is None else f"{row['mean']:.0f}"
            drawn.add_row(lead, method, f"{row['n']}", f"{row['lost']}", mean, span, *chances)
        drawn.add_row()
    return drawn


def against_tau(errors: pd.DataFrame) -> Table | None:
    """Return Met2Net's mean error less TAU's by lead, both tuned and adjusted, as a table; None without both."""
    from rich.table import Table

    ours, rival = PAIR
    if not set(PAIR) <= set(errors["method"]):
        return None
    pairs = compare(errors, reference=rival)
    drawn = Table(title=f"{ours}, less {rival}", box=None, padding=(0, 1), pad_edge=False)
    for heading in ("lead", "n", "km", "95 %", "p"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    for row in pairs[pairs["method"] == ours].to_dict("records"):
        lead, span = f"{row['lead_time'] / HOUR:g}h", f"{row['low']:.1f}..{row['high']:.1f}"
        drawn.add_row(lead, f"{row['n']}", f"{row['difference']:.1f}", span, f"{row['p_value']:.4f}")
    return drawn


def _rounded(value: float, digits: int) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)


def main(argv: list[str] | None = None) -> int:
    from rich.console import Console

    arguments = sys.argv[1:] if argv is None else argv
    console = Console()
    try:
        if len(arguments) != 1:
            raise InputError("give one path: the cases that a run on real storms has kept (cases.csv.xz).")
        errors = read_cases(arguments[0])
    except InputError as error:
        console.print(f"error: {error}", style="red")
        return 2
    show(errors, console)
    return 0


def show(errors: pd.DataFrame, console: object) -> None:
    """Print the scores of tropical storms and stronger, and of all strengths."""
    caption = (
        "km over the cases that no method lost, intervals by storms drawn whole; lost: of all cases; "
        "p: of the difference to persistence, to cliper"
    )
    for title, part in (("17.2 m/s or more at both ends", of_storms(errors)), ("all strengths", errors)):
        storms = part["track_id"].nunique()
        console.print(table(scores(part), title=f"{storms} real storms, {title}", caption=caption))  # type: ignore[attr-defined]
    if (pair := against_tau(of_storms(errors))) is not None:
        console.print()  # type: ignore[attr-defined]
        console.print(pair)  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
