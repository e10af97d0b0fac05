"""What an explanation says in a few numbers: tables of its means, and the words of where they come from."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

if TYPE_CHECKING:
    from rich.table import Table

UNITS = {"msl": ("hPa", 0.01), "u10": ("m/s", 1.0), "v10": ("m/s", 1.0), "t2m": ("K", 1.0)}  # shown, and of one SI unit


def attention_summary(result: xr.Dataset) -> pd.DataFrame:
    """Return the attention of `explanation.attention`, mean over layers, heads and cases: a row a target."""
    mean = result["attention"].mean(("layer", "head"))
    return pd.DataFrame(mean.values, mean.indexes["target"], mean.indexes["source"])


def similarity_summary(result: xr.Dataset) -> pd.DataFrame:
    """Return the CKA between variables of `explanation.similarity`: a row a layer, a column a pair, and their mean."""
    between = result["between"]
    pairs = {
        f"{a} and {b}": between.sel(variable=a, other_variable=b).values
        for a, b in combinations([str(name) for name in result["variable"].values], 2)
    }
    table = pd.DataFrame(pairs, index=pd.Index(result["layer"].values, name="layer"))
    return table.assign(mean=table.mean(axis=1)) if pairs else table


def error_summary(result: xr.Dataset) -> pd.DataFrame:
    """Return the mean errors of `explanation.errors`: a row a lead and variable, a column a forecaster; in `unit`."""
    rows = []
    for lead in result["lead"].values:
        for name in map(str, result["variable"].values):
            unit, factor = UNITS.get(name, ("SI", 1.0))
            mean = factor * result["mean"].sel(lead=lead, variable=name)
            means = dict(zip(map(str, result["forecaster"].values), mean.values, strict=True))
            cases = int(result["cases"].sel(lead=lead))
            rows.append({"lead": f"{lead} h", "variable": name, "cases": cases, **means, "unit": unit})
    return pd.DataFrame(rows).set_index(["lead", "variable"])


def provenance(result: xr.Dataset) -> list[str]:
    """Say how many forecasts of what, from which fields, and with which weights, a line each."""
    facts = result.attrs
    weights = f" (weights {facts['weights_sha256'][:12]})" if facts["weights_sha256"] else ""
    said = [
        f"cases   {facts['forecasts']} forecasts of {facts['storms']}",
        f"fields  {facts['fields']}",
        f"model   {facts['model']}{weights}",
    ]
    if len(seen := np.atleast_1d(facts.get("seasons_seen_in_training", []))):
        said.append(f"        which has seen {', '.join(map(str, seen))} in training: these errors are no test of it")
    return said


def as_table(summary: pd.DataFrame, *, title: str) -> Table:
    """Return a summary as a table for the terminal."""
    from rich.table import Table

    drawn = Table(title=title)
    rows = summary.reset_index()
    for name in rows:
        numeric = pd.api.types.is_numeric_dtype(rows[name])
        drawn.add_column(str(name), justify="right" if numeric else "left")
    for row in rows.itertuples(index=False):
        drawn.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row))
    return drawn
