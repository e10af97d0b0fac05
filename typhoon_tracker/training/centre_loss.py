"""How far a forecast misplaces its storms, as a loss: what counts, and what a mean square error hardly sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from typhoon_tracker.nets.environment import environment_gradient
from typhoon_tracker.nets.soft_centre import mean_curvature, soft_centre

TYPICAL_KM, TYPICAL_SPEED = 5.0, 5.0  # km, km/h: the size of a good forecast's error grows so with the lead
ROUND_KM = 1.0  # below which the distance is smooth


class Labelled(NamedTuple):
    """Windows with the storms in them.

    fields (B, T + T', N, H, W) in SI units, MSL first; centres (B, M, T + T', 2), km south and east of the first point,
    NaN where there is no storm of tropical-storm strength well inside; spacing (B, M, T + T', 2), km between rows and
    columns there; aims (B, M, T', 2), where the forecast's storms should be, like centres.
    """

    fields: Tensor
    centres: Tensor
    spacing: Tensor
    aims: Tensor


class Places(NamedTuple):
    """What a pressure forecast is compared with: true MSL (B, L, H, W) in Pa, the true centres, where to aim, and the
    spacing of the grid there (B, M, L, 2), as in `Labelled`."""

    true: Tensor
    centres: Tensor
    aims: Tensor
    spacing: Tensor


class Misplaced(NamedTuple):
    """Of each storm and lead that counts: which lead it is (n,), km of its centre from the aim and from the truth."""

    lead: Tensor
    from_aim: Tensor
    from_truth: Tensor


def misplaced(said: Tensor, places: Places) -> Misplaced:
    """Return how far off the soft centres of the storms in MSL forecasts (B, L, H, W) in Pa are.

    The gradient of a storm's surroundings is taken off as the tracker does; the curvature is held by the true field's.
    """
    known = places.centres.isfinite().all(-1) & places.aims.isfinite().all(-1)
    sample, storm, lead = known.nonzero(as_tuple=True)
    centre, aim, spacing = (part[sample, storm, lead] for part in places[1:])  # (n, 2)
    field = said[sample, lead].float()  # (n, H, W)
    curvature = mean_curvature(places.true[sample, lead].float(), centre, spacing)
    environment = environment_gradient(field, aim, spacing)
    found = soft_centre(field, aim, spacing, curvature=curvature, environment=environment)
    return Misplaced(lead, (found - aim).norm(dim=-1), (found - centre).norm(dim=-1))


def centre_loss(found: Misplaced, *, lead_hours: Sequence[float]) -> Tensor:
    """Return the mean distance from the aims in units of a typical error of each lead; 0 where there is no storm."""
    distance = found.from_aim
    if not len(distance):
        return distance.sum()
    typical = TYPICAL_KM + TYPICAL_SPEED * torch.tensor(lead_hours, device=distance.device)[found.lead]
    return ((torch.sqrt(distance**2 + ROUND_KM**2) - ROUND_KM) / typical).mean()
