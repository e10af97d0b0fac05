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
from typhoon_tracker.downscale.grid_table import markdown, table
from typhoon_tracker.downscale.model import check_fits
from typhoon_tracker.downscale.report_table import EXPERIMENTS, Experiment
from typhoon_tracker.downscale.settings import Settings, check
from typhoon_tracker.errors import InputError
from typhoon_tracker.training.trainer import Machine

BASELINES = ("bilinear", "bicubic", "bilinear+additive", "bicubic+additive")
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


def _silent(stage: str, done: int, total: int) -> None:
    pass
