"""How far a forecast misplaces its storms, as a loss: what counts, and what a mean square error hardly sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from typhoon_tracker.nets.soft_centre import mean_curvature, soft_centre

FAR_KM = 60.0  # between a storm's best-track position and its low in the true field, beyond which neither is trusted
TYPICAL_KM, TYPICAL_SPEED = 5.0, 5.0  # km, km/h: the size of a good forecast's error grows so with the lead
ROUND_KM = 1.0  # below which the distance is smooth


class Labelled(NamedTuple):
    """Windows with the storms in them.

    fields (B, T + T', N, H, W) in SI units, MSL first; centres (B, M, T + T', 2), km south and east of the first point,
    NaN where there is no storm of tropical-storm strength well inside; spacing (B, M, T + T', 2), km between rows and
    columns there.
    """

    fields: Tensor
    centres: Tensor
    spacing: Tensor


def misplaced(said: Tensor, true: Tensor, centres: Tensor, spacing: Tensor) -> tuple[Tensor, Tensor]:
    """Return the km (n,) between the soft centres of the storms in MSL forecasts and in the truth, and which lead each
    is of (an index into L).

    said, true (B, L, H, W) in Pa; centres, spacing (B, M, L, 2) as in `Labelled`. A storm whose low in the true field
    is not where it should be counts for nothing.
    """
    sample, storm, lead = centres.isfinite().all(-1).nonzero(as_tuple=True)
    start, spacing = centres[sample, storm, lead], spacing[sample, storm, lead]  # (n, 2)
    field = true[sample, lead].float()  # (n, H, W)
    curvature = mean_curvature(field, start, spacing)
    target = soft_centre(field, start, spacing, curvature=curvature)
    good = (target - start).norm(dim=-1) < FAR_KM
    sample, lead = sample[good], lead[good]
    found = soft_centre(said[sample, lead], target[good], spacing[good], curvature=curvature[good])
    return (found - target[good]).norm(dim=-1), lead


def centre_loss(said: Tensor, true: Tensor, centres: Tensor, spacing: Tensor, *, lead_hours: Sequence[float]) -> Tensor:
    """Return the mean distance of `misplaced` in units of a typical error of each lead; 0 where there is no storm."""
    distance, lead = misplaced(said, true, centres, spacing)
    if not len(distance):
        return said.sum() * 0.0
    typical = TYPICAL_KM + TYPICAL_SPEED * torch.tensor(lead_hours, device=said.device)[lead]
    return ((torch.sqrt(distance**2 + ROUND_KM**2) - ROUND_KM) / typical).mean()
