"""What a person reads of an evaluation and of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from typhoon_tracker.downscale.cases import NO_BLOCK_MEAN
from typhoon_tracker.downscale.evaluate import Evaluation
from typhoon_tracker.downscale.metrics import COLUMNS


def scores_table(found: Evaluation) -> Table:
    """Return a row a score and a column a variable; scores that no variable has are left out."""
    facts = found.facts
    title = f"{facts['model']}: {facts['frames']} frames of {facts['cases']} cases, split {facts['split']}"
    shown = Table("", *found.scores, title=title, title_justify="left")
    for column, label in COLUMNS.items():
        values = [scores[column] for scores in found.scores.values()]
        if any(value is not None for value in values):
            shown.add_row(label, *("-" if value is None else f"{value:.5g}" for value in values))
    return shown


def about(found: Evaluation) -> list[str]:
    """Return the lines that say what the scores are of."""
    facts = found.facts
    said = [f"data         {facts['data']}", f"constraint   {facts['constraint']}"]
    said += [
        f"range        {name} {low:.4g} to {high:.4g}, for PSNR and SSIM" for name, (low, high) in found.ranges.items()
    ]
    if facts["ms_ssim_scales"]:
        said.append(f"MS-SSIM      over {facts['ms_ssim_scales']} of 5 scales, as many as the grid allows")
    if facts["members"]:
        said.append(f"ensemble     {facts['members']} draws of noise; all but CRPS and spread are of their mean")
    if facts["seen_in_training"]:
        said.append(f"seen         {', '.join(facts['seen_in_training'])} in training: these scores are no test of it")
    return [*said, *notes(facts)]


def notes(facts: Mapping[str, Any]) -> list[str]:
    """Return what a reader should know of the data: a coarse field that is no block mean, a grid that was cropped."""
    said = []
    off = {name: share for name, share in facts["coarse_mismatch"].items() if share > NO_BLOCK_MEAN}
    if off:
        shares = ", ".join(f"{name} {100 * share:.2g} %" for name, share in off.items())
        said.append(
            f"the coarse fields are no block means of the fine ones: off by {shares} of their standard deviation on "
            f"average; a hard constraint keeps the coarse ones"
        )
    if "cropped" in facts:
        said.append(f"grid cropped from {facts['cropped']}")
    return said
