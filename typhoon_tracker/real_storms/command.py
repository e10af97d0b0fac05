"""`typhoon-tracker real-storms`: train in five folds on real storms, and score every storm by networks new to it."""

from __future__ import annotations

from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from typhoon_tracker.console import progress


class Network(StrEnum):
    """What is trained on real storms."""

    MET2NET = "met2net"
    TAU = "tau"


def real_storms(
    patches: Annotated[Path, typer.Argument(help="netCDF of real ERA5 storm patches")],
    out: Annotated[Path, typer.Option(help="folder for weights and scores; a training that is done there is kept")],
    network: Annotated[list[Network], typer.Option(help="what is trained; the first also without pretraining")] = [  # noqa: B006
        Network.MET2NET,
        Network.TAU,
    ],
) -> None:
    """Pretrain on the reconstruction, tune on real storms in five folds, score the tracks of those held out."""
    import pandas as pd
    from rich.console import Console

    from typhoon_tracker.real_storms import folds, report, score, windows

    storms = windows.read(patches)
    split = folds.split(storms)
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
    trained = folds.models(split, out, [one.value for one in network])
    with progress() as show:
        for fold, models in zip(split, trained, strict=True):
            for series in fold.held_out:
                parts.append(score.errors_of(series, models, clipers))
                show("scoring", len(parts), len(storms))
    errors = pd.concat(parts, ignore_index=True)
    report.write_cases(errors, out / "cases.csv.xz")
    errors = report.read_cases(out / "cases.csv.xz")  # what is printed is what is kept
    kept = {"17.2 m/s or more": report.scores(report.of_storms(errors)), "all strengths": report.scores(errors)}
    (out / "scores.json").write_text(dumps(kept, indent=1) + "\n")
    report.show(errors, console)
