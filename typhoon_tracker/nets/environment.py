"""The gradient of a storm's surroundings, which moves the minimum of its pressure field without moving the storm."""

from __future__ import annotations

import torch
from torch import Tensor

INNER_KM, OUTER_KM = 300.0, 600.0  # of the ring where the surroundings show and the storm itself is smooth
RING_SPACING_KM = 50.0
OUTLIER = 2.5  # standard deviations below the plane, beyond which a point belongs to another storm
ENOUGH = 24  # points of the ring


@torch.no_grad()
def environment_gradient(field: Tensor, centre: Tensor, spacing: Tensor) -> Tensor:
    """Return the southward and eastward gradient (n, 2) per km of the surroundings of storms in fields (n, H, W).

    A plane with radial terms of first and second order, fitted by least squares to the grid points nearest to a ring
    about `centre` (n, 2), km south and east of the first point; a second fit leaves out the points far below the first.
    `spacing` (n, 2) is the km between two rows and between two columns. 0 where the grid holds too little of the ring.
    """
    field, centre = field.float(), centre.float()
    shape = torch.tensor(field.shape[-2:], device=field.device)
    index = ((centre[:, None] + _ring(field.device)) / spacing[:, None]).round()  # (n, P, 2)
    inside = ((index >= 0) & (index < shape)).all(-1)  # (n, P)
    row, column = index.long().clamp(min=0).minimum(shape - 1).unbind(-1)
    value = field[torch.arange(len(field), device=field.device)[:, None], row, column]
    value = value - value.mean(-1, keepdim=True)
    away = (index * spacing[:, None] - centre[:, None]) / OUTER_KM
    r2 = away.square().sum(-1)
    basis = torch.stack([torch.ones_like(r2), away[..., 0], away[..., 1], r2.sqrt(), r2], dim=-1)  # (n, P, 5)
    fit = _least_squares(basis, value, inside)
    residual = value - (basis @ fit[..., None])[..., 0]
    spread = 1.4826 * torch.where(inside, residual.abs(), torch.nan).nanmedian(-1, keepdim=True).values
    fit = _least_squares(basis, value, inside & (residual > -OUTLIER * spread))
    return torch.where((inside.sum(-1) >= ENOUGH)[:, None], fit[:, 1:3] / OUTER_KM, 0.0)


def _ring(device: torch.device) -> Tensor:
    """Return points (P, 2) km south and east of the middle of the ring."""
    steps = torch.arange(-OUTER_KM, OUTER_KM + 1.0, RING_SPACING_KM, device=device)
    points = torch.cartesian_prod(steps, steps)
    away = points.norm(dim=-1)
    return points[(away >= INNER_KM) & (away <= OUTER_KM)]


def _least_squares(basis: Tensor, value: Tensor, keep: Tensor) -> Tensor:
    """Return the coefficients (n, 5) of the basis (n, P, 5) that fit the values (n, P) kept."""
    kept = basis * keep[..., None]
    matrix = kept.transpose(-2, -1) @ kept
    matrix = matrix + 1e-6 * torch.eye(matrix.shape[-1], device=matrix.device)
    return torch.linalg.solve(matrix, (kept.transpose(-2, -1) @ value[..., None])[..., 0])
