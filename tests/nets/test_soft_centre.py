"""The soft centre: where a low is, below the grid spacing, with gradients that move it there and never break."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from typhoon_tracker.nets.soft_centre import mean_curvature, soft_centre

SIZE = 48
SPACING = torch.tensor([27.8, 25.0])
REACH = 90.0  # km, of the low's Gaussian


def low(south: torch.Tensor, east: torch.Tensor, *, depth: float = 3000.0) -> torch.Tensor:
    """A Gaussian low (H, W) in Pa centred km south and east of the first point."""
    y = torch.arange(SIZE)[:, None] * SPACING[0] - south
    x = torch.arange(SIZE) * SPACING[1] - east
    return 101_000.0 - depth * torch.exp(-(x**2 + y**2) / (2 * REACH**2))


@given(south=st.floats(400, 900), east=st.floats(400, 800), off=st.floats(-50, 50))
def test_a_round_low_is_found_between_the_grid_points_from_a_start_beside_it(south, east, off):
    centre = torch.tensor([south, east])
    found = soft_centre(low(*centre), centre + off, SPACING)
    assert torch.dist(found, centre) < 1.5


def test_moving_the_field_moves_the_centre():
    field = low(torch.tensor(650.0), torch.tensor(600.0)) + 20 * torch.randn(
        SIZE, SIZE, generator=torch.Generator().manual_seed(1)
    )
    start = torch.tensor([650.0, 600.0])
    shifted = torch.roll(field, (2, -3), (0, 1))
    by = torch.tensor([2.0, -3.0]) * SPACING
    torch.testing.assert_close(
        soft_centre(shifted, start + by, SPACING) - soft_centre(field, start, SPACING), by, atol=0.1, rtol=0
    )


def test_mirroring_the_field_mirrors_the_centre():
    field = low(torch.tensor(640.0), torch.tensor(500.0)) + torch.linspace(0, 300, SIZE)
    width = (SIZE - 1) * SPACING[1]
    found = soft_centre(field, torch.tensor([640.0, 500.0]), SPACING)
    mirrored = soft_centre(field.flip(-1), torch.tensor([640.0, float(width) - 500.0]), SPACING)
    torch.testing.assert_close(mirrored, torch.stack([found[0], width - found[1]]), atol=0.05, rtol=0)


def test_the_gradient_is_that_of_a_paraboloid_under_a_slope():
    """A slope (p, q) in Pa/km under a bowl of curvature k moves the centre by -(p, q) / k."""
    k = 0.4
    y = torch.arange(SIZE)[:, None] * SPACING[0] - 650.0
    x = torch.arange(SIZE) * SPACING[1] - 600.0
    slope = torch.zeros(2, requires_grad=True)
    field = k / 2 * (x**2 + y**2) + slope[0] * y + slope[1] * x
    centre = soft_centre(field, torch.tensor([650.0, 600.0]), SPACING)
    for axis in range(2):
        (gradient,) = torch.autograd.grad(centre[axis], slope, retain_graph=True)
        expected = torch.zeros(2)
        expected[axis] = -1 / k
        torch.testing.assert_close(gradient, expected, rtol=1e-2, atol=1e-2)


def test_descending_the_distance_moves_a_low_to_its_place():
    target = torch.tensor([700.0, 560.0])
    place = torch.tensor([640.0, 620.0], requires_grad=True)
    curvature = mean_curvature(low(*target), target, SPACING)
    optimizer = torch.optim.Adam([place], lr=4.0)
    for _ in range(60):
        found = soft_centre(low(*place), target, SPACING, curvature=curvature)
        distance = torch.dist(found, target)
        optimizer.zero_grad()
        distance.backward()
        optimizer.step()
    assert torch.dist(place.detach(), target) < 8.0


@pytest.mark.parametrize("field", [torch.zeros(SIZE, SIZE), low(torch.tensor(600.0), torch.tensor(600.0)) * -1])
def test_a_flat_field_and_a_high_give_finite_centres_and_gradients(field):
    field = field.clone().requires_grad_()
    found = soft_centre(field, torch.tensor([600.0, 600.0]), SPACING, curvature=torch.tensor(0.3))
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(field.grad).all()


def test_a_stack_of_fields_is_found_as_one_by_one():
    places = torch.tensor([[500.0, 500.0], [650.0, 420.0], [720.0, 700.0]])
    stack = torch.stack([low(*place) for place in places])
    together = soft_centre(stack, places + 20.0, SPACING.expand(3, 2))
    alone = torch.stack([soft_centre(f, p + 20.0, SPACING) for f, p in zip(stack, places, strict=True)])
    torch.testing.assert_close(together, alone, atol=1e-2, rtol=0)
