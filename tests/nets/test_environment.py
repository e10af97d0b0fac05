"""The gradient of a storm's surroundings: found under a storm and beside another, and taken off by the soft centre."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from typhoon_tracker.nets.environment import environment_gradient
from typhoon_tracker.nets.soft_centre import soft_centre

SIZE = 72
SPACING = torch.tensor([27.8, 24.0])
MIDDLE = (SIZE // 2) * SPACING


def storm(centre: torch.Tensor, *, depth: float = 3000.0, reach: float = 100.0) -> torch.Tensor:
    """A low (H, W) in Pa with the long tail of a storm's, centred km south and east of the first point."""
    south = torch.arange(SIZE)[:, None] * SPACING[0] - centre[0]
    east = torch.arange(SIZE) * SPACING[1] - centre[1]
    return -depth / (1 + (south**2 + east**2) / reach**2)


def sloping(slope: torch.Tensor) -> torch.Tensor:
    return slope[0] * torch.arange(SIZE)[:, None] * SPACING[0] + slope[1] * torch.arange(SIZE) * SPACING[1]


slopes = st.tuples(st.floats(-2, 2), st.floats(-2, 2)).map(torch.tensor)
offsets = st.tuples(st.floats(-40, 40), st.floats(-40, 40)).map(torch.tensor)


@given(slope=slopes, off=offsets)
def test_the_slope_under_a_storm_is_found_and_its_centre_is_not_moved(slope, off):
    centre = (MIDDLE + off)[None]
    field = (storm(centre[0]) + sloping(slope))[None]
    found = environment_gradient(field, centre, SPACING[None])
    torch.testing.assert_close(found[0], slope, atol=0.06, rtol=0)
    off = soft_centre(field, centre + 20.0, SPACING[None], environment=found) - centre
    assert off.norm() < 2.0


def test_a_slope_that_is_left_in_moves_the_centre():
    slope = torch.tensor([1.5, -1.0])
    field = storm(MIDDLE) + sloping(slope)
    assert torch.dist(soft_centre(field, MIDDLE, SPACING), MIDDLE) > 5.0


def test_another_storm_on_the_ring_is_left_out():
    slope = torch.tensor([0.8, 0.5])
    other = storm(MIDDLE + torch.tensor([350.0, -250.0]), reach=60.0)
    field = (storm(MIDDLE) + other + sloping(slope))[None]
    found = environment_gradient(field, MIDDLE[None], SPACING[None])
    assert torch.dist(found[0], slope) < 0.3


@pytest.mark.parametrize("centre", [torch.tensor([5.0, 5.0]), torch.tensor([-3000.0, 0.0])])
def test_a_storm_at_the_edge_or_outside_gives_a_finite_gradient(centre):
    found = environment_gradient(storm(MIDDLE)[None], centre[None], SPACING[None])
    assert torch.isfinite(found).all()
    if (centre < -1000).any():
        assert (found == 0).all()
