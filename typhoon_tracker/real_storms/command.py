"""`typhoon-tracker real-storms`: train in five folds on real storms, and score every storm by networks new to it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from typhoon_tracker.console import progress
from typhoon_tracker.errors import InputError


class Kind(StrEnum):
    """What is trained on real storms: networks that are pretrained, or Met2Net from nothing."""

    MET2NET = "met2net"
    FROM_NOTHING = "from-nothing"
    TAU = "tau"


def real_storms(
    patches: Annotated[Path, typer.Argument(help="netCDF of real ERA5 storm patches")],
    out: Annotated[Path, typer.Option(help="folder for weights and scores; a training that is done there is kept")],
    kind: Annotated[list[Kind] | None, typer.Option(help="what is trained, by default all three")] = None,
    fold: Annotated[list[int] | None, typer.Option(help="0 to 4: score the storms of these folds alone")] = None,
) -> None:
    """Pretrain on the reconstruction, tune on real storms in five folds, score the tracks of those held out."""
    import pandas as pd
    from rich.console import Console

    from typhoon_tracker.real_storms import folds, report, score, windows

    storms = windows.read(patches)
    split = [one for one in folds.split(storms) if fold is None or one.number in fold]
    if fold is not None and len(split) < len(set(fold)):
        raise InputError(f"there is no fold {max(fold)}; the folds are 0 to {folds.FOLDS - 1}.")
    out.mkdir(parents=True, exist_ok=True)
    console = Console()
    counted = windows.count(storms)
    width = windows.SIZE * windows.BLOCK
    console.print(
        f"{len(storms)} storms of {patches.name}: {counted['inits']} init times, {counted['whole']} with all leads. "
        f"Their eight patches share {width} x {width} points in {counted['shared']} and 64 x 64 in "
        f"{counted['shared_64']} of these: windows are laid by the past alone, and unseen truth counts for nothing.",
        highlight=False,
        soft_wrap=True,
    )
    clipers = score.fit_clipers(folds.LAST_SEASON)
    parts = []
    trained = folds.models(split, out, [one.value for one in kind or Kind])
    with progress() as show:
        for one, models in zip(split, trained, strict=True):
            for series in one.held_out:
                parts.append(score.errors_of(series, models, clipers))
                show("scoring", len(parts), sum(len(each.held_out) for each in split))
    errors = pd.concat(parts, ignore_index=True)
    path = out / ("cases.csv.xz" if fold is None else f"cases-{'-'.join(map(str, sorted(set(fold))))}.csv.xz")
    report.write_cases(errors, path)
    report.show(report.read_cases(path), console)  # what is printed is what is kept
    print(f"kept in {path}; python -m typhoon_tracker.real_storms.report prints them again")
