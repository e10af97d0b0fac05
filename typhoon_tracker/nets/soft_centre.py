"""The centre of a storm as a differentiable function of its pressure field, to be trained on."""

from __future__ import annotations

import torch
from torch import Tensor

SCALE_KM = 60.0  # standard deviation of the weights, as in the tracker's own fit
STEPS = 3  # of Newton's method; the fit moves with the centre
LONGEST_STEP_KM = 60.0
LEAST_CURVATURE = 0.2  # of the mean curvature of the field the centre is compared with


def soft_centre(
    field: Tensor,
    start: Tensor,
    spacing: Tensor,
    *,
    curvature: Tensor | None = None,
    environment: Tensor | None = None,
) -> Tensor:
    """Return the minimum (..., 2) of a paraboloid fitted to a field (..., H, W), km south and east of its first point.

    With weights w = exp(-r^2 / 2 s^2) about the last centre c and the paraboloid a + g.x + x.H x / 2 of least weighted
    squares, the next centre is c - H^-1 (g - e), e the gradient (..., 2) per km of the storm's `environment`, if given.
    `start` (..., 2) is the first, `spacing` (..., 2) the km between two rows and between two columns. Eigenvalues of H
    are held at `LEAST_CURVATURE` of `curvature` (...) or more (of the field's own mean curvature at the start, if none
    is given), so that a flat or saddle-shaped field gives a centre and finite gradients too. The gradient is that of
    the last step: at the minimum, where g = e, it is exact.
    """
    field, centre = field.float(), start.float()
    if curvature is None:
        curvature = mean_curvature(field, centre, spacing)
    for step in range(STEPS):
        last = step == STEPS - 1
        gradient, hessian = _paraboloid(field if last else field.detach(), centre, spacing)
        if environment is not None:
            gradient = gradient - environment
        move = -_against(hessian, gradient, LEAST_CURVATURE * curvature.detach())
        length = move.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        centre = centre + (move if last else move * (LONGEST_STEP_KM / length).clamp(max=1.0))
    return centre


def mean_curvature(field: Tensor, centre: Tensor, spacing: Tensor) -> Tensor:
    """Return half the Laplacian (...) per km2 of the paraboloid fitted about the centre, at least a tiny one."""
    _, hessian = _paraboloid(field.float(), centre.float(), spacing)
    return (hessian.diagonal(dim1=-2, dim2=-1).sum(-1) / 2).clamp(min=1e-6)


def _paraboloid(field: Tensor, centre: Tensor, spacing: Tensor) -> tuple[Tensor, Tensor]:
    """Return gradient (..., 2) per km and Hessian (..., 2, 2) per km2 of the paraboloid of least weighted squares."""
    rows, columns = (_powers(n, centre[..., k], spacing[..., k]) for k, n in enumerate(field.shape[-2:]))
    sums = rows.sum(-1)[..., :, None] * columns.sum(-1)[..., None, :]  # (..., 5, 5) of w y^a x^b
    level = field.mean((-2, -1), keepdim=True)
    moments = rows[..., :3, :] @ (field - level) @ columns[..., :3, :].transpose(-2, -1)  # (..., 3, 3) of w y^a x^b f
    a, b = torch.tensor([[0, 1, 0, 2, 1, 0], [0, 0, 1, 0, 1, 2]], device=field.device)  # 1, y, x, y^2, y x, x^2
    matrix = sums[..., a[:, None] + a, b[:, None] + b]  # (..., 6, 6)
    tiny = 1e-6 * torch.eye(6, device=field.device)
    fit = torch.linalg.solve(matrix + tiny, moments[..., a, b])  # (..., 6), lengths in units of the scale
    gradient = fit[..., 1:3] / SCALE_KM
    hessian = torch.stack([2 * fit[..., 3], fit[..., 4], fit[..., 4], 2 * fit[..., 5]], dim=-1).unflatten(-1, (2, 2))
    return gradient, hessian / SCALE_KM**2


def _powers(n: int, centre: Tensor, spacing: Tensor) -> Tensor:
    """Return w z^k (..., 5, n), k = 0 to 4, of the points along one axis, z from the centre in units of the scale."""
    points = torch.arange(n, device=centre.device, dtype=centre.dtype)
    z = (points * spacing[..., None] - centre[..., None]) / SCALE_KM  # (..., n)
    weight = torch.exp(-(z**2) / 2)
    return torch.stack([weight * z**k for k in range(5)], dim=-2)


def _against(hessian: Tensor, gradient: Tensor, least: Tensor) -> Tensor:
    """Return H^-1 g, the eigenvalues of H held at `least` or more."""
    (yy, yx), (_, xx) = (row.unbind(-1) for row in hessian.unbind(-2))
    mean, half = (yy + xx) / 2, (yy - xx) / 2
    # From a circle on, where both eigenvalues are one, the axes have no direction: the root must not be taken of zero.
    radius = torch.sqrt(half**2 + yx**2 + (1e-3 * least) ** 2)
    low, high = (mean - radius), (mean + radius)
    inverse_low, inverse_high = 1 / torch.maximum(low, least), 1 / torch.maximum(high, least)
    # H^-1 = p I + q (H - mean I) / radius, by the values of 1 / eigenvalue along both axes.
    p, q = (inverse_high + inverse_low) / 2, (inverse_high - inverse_low) / (2 * radius)
    y, x = gradient.unbind(-1)
    return torch.stack([p * y + q * (half * y + yx * x), p * x + q * (yx * y - half * x)], dim=-1)
