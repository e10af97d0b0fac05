"""Field scores in the form of the Met2Net paper's Table 5: variables across, scores and methods down."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import pandas as pd

from typhoon_tracker.fields.contract import VARIABLES

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = {"mse": "MSE", "mae": "MAE", "r2": "R2", "acc": "ACC", "pcc": "PCC"}
RATIOS = ("r2", "acc", "pcc")  # without a unit
ALL_LEADS = "all leads"


def field_table(scores: pd.DataFrame, *, title: str = "", caption: str = "") -> Table:
    """Return scores (from `FieldScores.table`, with the column `method`) of one lead as a table.

    MSE is in the square of the unit above its column, MAE in that unit.
    """
    from rich.table import Table

    variables, methods = list(dict.fromkeys(scores["variable"])), list(dict.fromkeys(scores["method"]))
    cell = scores.set_index(["method", "variable"])
    drawn = Table(title=title or None, caption=caption or None)
    drawn.add_column("")
    drawn.add_column("method")
    for name in variables:
        unit = f"\n{VARIABLES[name].units}" if name in VARIABLES else ""
        drawn.add_column(name.upper() + unit, justify="right")
    for score, heading in SHOWN.items():
        for k, method in enumerate(methods):
            numbers = [_number(score, name, float(cell.loc[(method, name), score])) for name in variables]
            drawn.add_row("" if k else heading, method, *numbers, end_section=k == len(methods) - 1)
    return drawn


def lead_label(lead: pd.Timedelta) -> str:
    """Return a lead as "6 h"; "all leads" for NaT."""
    return ALL_LEADS if pd.isna(lead) else f"{lead / pd.Timedelta(hours=1):g} h"


def scores_as_json(scores: pd.DataFrame) -> dict[str, Any]:
    """Return {lead: {method: {variable: {n, mse, mae, rmse, bias, r2, acc, pcc}}}}, None for NaN."""
    plain: dict[str, Any] = {}
    for row in scores.to_dict("records"):
        lead = lead_label(row.pop("lead_time")).replace(" h", "h")
        method, variable, n = row.pop("method"), row.pop("variable"), int(row.pop("n"))
        numbers = {name: float(value) if isfinite(value) else None for name, value in row.items()}
        plain.setdefault(lead, {}).setdefault(method, {})[variable] = {"n": n, **numbers}
    return plain


def _number(score: str, variable: str, value: float) -> str:
    if not isfinite(value):
        return "-"
    coarse = score not in RATIOS and variable in VARIABLES and VARIABLES[variable].units == "Pa"
    return f"{value:.{1 if coarse else 4}f}"
