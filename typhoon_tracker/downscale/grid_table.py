"""The runs of a grid of experiments as one table, with the report's own figures beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from typhoon_tracker.downscale.report_table import EXPERIMENTS
from typhoon_tracker.downscale.settings import NONE
from typhoon_tracker.errors import InputError

SHOWN = ("mse", "mae", "psnr", "ssim", "negatives", "mass_violation", "crps")


def read_runs(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the rows of `runs.csv` files, one a cell, seed and variable; InputError for a file that is none."""
    parts = []
    for path in paths:
        try:
            found = pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read as the runs of a grid: {str(error).splitlines()[0]}") from error
        missing = [name for name in ("cell", "seed", "variable", *SHOWN) if name not in found]
        if missing:
            raise InputError(f"{path} is no runs.csv of `downscale grid`: it lacks {', '.join(missing)}.")
        parts.append(found)
    rows = pd.concat(parts).drop_duplicates(["cell", "seed", "variable"], keep="last")
    if rows.empty:
        raise InputError(f"{', '.join(map(str, paths))} hold no run.")
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a row for each cell and variable: mean and spread (standard deviation) over seeds, and the report's.

    `mse_ratio` is the MSE over that of the same network and factor without a constraint, which can be compared with
    the report's `report_mse_ratio` where the MSE, of another field in other units, cannot.
    """
    runs = pd.DataFrame(rows)
    means = runs.groupby(["cell", "variable"], sort=False)[list(SHOWN)].agg(["mean", "std"])
    means.columns = pd.Index([key[0] if key[1] == "mean" else f"{key[0]}_std" for key in means.columns])
    means.insert(0, "seeds", runs.groupby(["cell", "variable"], sort=False)["seed"].nunique())
    result = means.reset_index()
    by_name = {one.name: one for one in EXPERIMENTS}
    plain = {(row.cell, row.variable): row.mse for row in result.itertuples()}
    for i, row in result.iterrows():
        one = by_name.get(row["cell"])
        if one is None:
            continue
        free = replace(one, constraint=NONE)
        reference = plain.get((free.name, row["variable"]), np.nan)
        result.loc[i, "mse_ratio"] = row["mse"] / reference
        result.loc[i, "report_mse_ratio"] = one.mse / by_name[free.name].mse
        for name in ("mse", "psnr", "ssim", "negatives"):
            result.loc[i, f"report_{name}"] = getattr(one, name)
        result.loc[i, "report_note"] = one.note
    return result


def markdown(found: pd.DataFrame) -> str:
    """Return the table in Markdown, mean +- spread over seeds, the report's figures beside."""
    heads = (
        "cell",
        "variable",
        "seeds",
        *SHOWN,
        "MSE / none",
        "report: MSE",
        "PSNR",
        "SSIM",
        "neg.",
        "MSE / none",
        "note",
    )
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in found.to_dict("records"):
        entries = [row["cell"], row["variable"], str(row["seeds"] or "-")]
        entries += [_pair(row[name], row[f"{name}_std"]) for name in SHOWN]
        others = ("mse_ratio", "report_mse", "report_psnr", "report_ssim", "report_negatives", "report_mse_ratio")
        entries += [_pair(row.get(name, np.nan), np.nan) for name in others]
        note = row.get("report_note")
        entries.append(note if isinstance(note, str) else "")
        lines.append("| " + " | ".join(entries) + " |")
    return "\n".join(lines) + "\n"


def _pair(mean: float, std: float) -> str:
    if np.isnan(mean):
        return "-"
    return f"{mean:.4g}" if np.isnan(std) else f"{mean:.4g} ± {std:.2g}"
