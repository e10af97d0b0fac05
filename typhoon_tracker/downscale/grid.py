"""The report's experiments repeated on one's own data: every cell once a seed, with a table beside its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from typhoon_tracker.downscale.cases import Cases
from typhoon_tracker.downscale.evaluate import Evaluation, Progress, baseline, evaluate
from typhoon_tracker.downscale.fit import fit, open_for
from typhoon_tracker.downscale.folder import load
from typhoon_tracker.downscale.model import check_fits
from typhoon_tracker.downscale.report_table import EXPERIMENTS, Experiment
from typhoon_tracker.downscale.settings import NONE, Settings, check
from typhoon_tracker.errors import InputError
from typhoon_tracker.training.trainer import Machine

BASELINES = ("bilinear", "bicubic", "bilinear+additive", "bicubic+additive")
SHOWN = ("mse", "mae", "psnr", "ssim", "negatives", "mass_violation", "crps")
SCORES = "scores.json"


def run(
    settings: Settings,
    out: Path,
    *,
    seeds: Sequence[int],
    cells: Sequence[str] = (),
    members: int = 10,
    every: int = 50,
    command: str = "",
    progress: Progress,
    said: Callable[[str], None],
) -> pd.DataFrame:
    """Train and score every cell with every seed, and the baselines; write `table.csv`, `table.md`, `runs.csv`.

    `settings` are what the cells share. A cell that was scored with the same settings is not done again, one that was
    stopped goes on. Returns the table. Raises InputError for cells that are not known, and for what `fit` raises.
    """
    chosen = _choose(cells)
    check(settings)
    rows: list[dict[str, Any]] = []
    jobs = [(one, seed) for one in chosen for seed in seeds]
    for factor, frames in sorted({(one.factor, one.frames) for one in chosen}):
        cases = open_for(replace(settings, factor=factor, frames=frames))
        for one in chosen:  # all, before the first is trained
            check_fits(one.constraint, one.network, cases.variables, cases.statistics())
        if frames == 1:
            for name in BASELINES:
                rows += _rows(evaluate(baseline(name, cases), cases, progress=_silent), f"{name}-x{factor}", None)
        for one, seed in (job for job in jobs if (job[0].factor, job[0].frames) == (factor, frames)):
            said(f"{one.name}, seed {seed}")
            own: dict[str, Any] = {
                "network": one.network,
                "constraint": one.constraint,
                "factor": factor,
                "frames": frames,
            }
            folder = out / "cells" / f"{one.name}-seed{seed}"
            found = _cell(replace(settings, seed=seed, **own), folder, cases, members, every, command)
            rows += _rows(found, one.name, seed)
            progress("cells", sum(row["seed"] is not None for row in rows) // len(cases.variables), len(jobs))
            _write(rows, out)
    return _write(rows, out)


def read_runs(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the rows of `runs.csv` files; InputError for a file that is none."""
    rows: list[dict[str, Any]] = []
    for path in paths:
        try:
            found = pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read as the runs of a grid: {str(error).splitlines()[0]}") from error
        missing = [name for name in ("cell", "seed", "variable", *SHOWN) if name not in found]
        if missing:
            raise InputError(f"{path} is no runs.csv of `downscale grid`: it lacks {', '.join(missing)}.")
        rows += [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]
    if not rows:
        raise InputError(f"{', '.join(map(str, paths))} hold no run.")
    return rows


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


def _choose(cells: Sequence[str]) -> list[Experiment]:
    known = {one.name: one for one in EXPERIMENTS}
    unknown = [name for name in cells if name not in known]
    if unknown:
        raise InputError(f"unknown cell {unknown[0]!r}; known: {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(cells)] if cells else list(EXPERIMENTS)


def _cell(settings: Settings, folder: Path, cases: Cases, members: int, every: int, command: str) -> Evaluation:
    asked = json.loads(json.dumps({**asdict(settings), "members": members}))
    try:
        kept = json.loads((folder / SCORES).read_text())
        if kept["asked"] == asked:
            return Evaluation(kept["scores"], kept["ranges"], kept["facts"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not scored yet, or not by this command
    fit(settings, Machine(folder, every=every, command=command), cases=cases)
    found = evaluate(load(folder), cases, members=members, progress=_silent)
    _replace(folder / SCORES, json.dumps({"asked": asked, **asdict(found)}, indent=1))
    return found


def _rows(found: Evaluation, cell: str, seed: int | None) -> list[dict[str, Any]]:
    return [
        {"cell": cell, "seed": seed, "variable": name, **{k: np.nan if v is None else v for k, v in scores.items()}}
        for name, scores in found.scores.items()
    ]


def _write(rows: Sequence[dict[str, Any]], out: Path) -> pd.DataFrame:
    out.mkdir(parents=True, exist_ok=True)
    found = table(rows)
    _replace(out / "runs.csv", pd.DataFrame(rows).astype({"seed": "Int64"}).to_csv(index=False))
    _replace(out / "table.csv", found.to_csv(index=False))
    _replace(out / "table.md", markdown(found))
    return found


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def _pair(mean: float, std: float) -> str:
    if np.isnan(mean):
        return "-"
    return f"{mean:.4g}" if np.isnan(std) else f"{mean:.4g} ± {std:.2g}"


def _silent(stage: str, done: int, total: int) -> None:
    pass
