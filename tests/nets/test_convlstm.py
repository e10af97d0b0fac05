"""ConvLSTM: the cell's equations, patches, and a forecast that feeds on itself."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.nets.tiny import tiny
from typhoon_tracker.nets.convlstm import Cell, ConvLSTM, ConvLSTMConfig


def test_the_default_does_the_operations_of_the_papers_table() -> None:
    with torch.device("meta"):
        net = ConvLSTM(ConvLSTMConfig())
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 12, 4, 128, 128))
    assert counter.get_total_flops() / 2 == pytest.approx(135.0e9, rel=0.005)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(5.744e6, rel=0.001)


def test_gradients_reach_every_weight() -> None:
    net = tiny("convlstm")
    net(torch.randn(2, 3, 4, 8, 8, dtype=torch.float64)).sin().sum().backward()
    assert not [name for name, p in net.named_parameters() if p.grad.abs().amax() < 1e-8]


def with_gates(i: float, f: float, o: float, g: float) -> Cell:
    cell = Cell(1, 1, 3)
    torch.nn.init.zeros_(cell.gates.weight)
    cell.gates.bias.data = torch.tensor([i, f, o, g])
    return cell


def test_a_cell_keeps_what_it_forgets_not() -> None:
    memory = torch.tensor([[[[0.5, -2.0]]]])
    x = torch.zeros_like(memory)
    h, c = with_gates(-100.0, 100.0, 100.0, 1.0)(x, (x, memory))
    torch.testing.assert_close(c, memory)
    torch.testing.assert_close(h, torch.tanh(memory))
    h, c = with_gates(100.0, -100.0, -100.0, 1.0)(x, (x, memory))
    torch.testing.assert_close(c, torch.tanh(torch.ones_like(memory)))
    torch.testing.assert_close(h, torch.zeros_like(memory))


def test_a_new_cell_leans_to_remember() -> None:
    gates = Cell(2, 3, 3).gates.bias.chunk(4)
    assert [gate.tolist() for gate in gates] == [[0.0] * 3, [1.0] * 3, [0.0] * 3, [0.0] * 3]


def test_a_forecast_goes_on_from_its_own_frames() -> None:
    """The forecast of a frame is the first frame of a forecast that was given the frames before it."""
    longer = tiny("convlstm", frames_in=2, frames_out=3).eval()
    after = tiny("convlstm", frames_in=3, frames_out=2).eval()
    after.load_state_dict(longer.state_dict())
    x = torch.randn(1, 2, 4, 8, 8, dtype=torch.float64)
    with torch.inference_mode():
        y = longer(x)
        torch.testing.assert_close(after(torch.cat([x, y[:, :1]], dim=1)), y[:, 1:])


def test_a_point_reaches_no_farther_than_kernels_and_steps_carry_it() -> None:
    net = tiny("convlstm", frames_in=1, frames_out=1, hidden=[4], kernel=3, patch=2).eval()
    x = torch.zeros(1, 1, 4, 16, 16, dtype=torch.float64)
    point = x.clone()
    point[..., 8, 8] = 1.0
    with torch.inference_mode():
        rows = (net(point) - net(x)).abs().amax((0, 1, 2, 4)).nonzero().flatten()
    assert rows.tolist() == list(range(6, 12))  # the patch of rows 8 and 9 and one patch to each side


def test_a_patch_is_its_own_place() -> None:
    """With the state passed straight on, frames come back point for point: patches are cut and laid alike."""
    net = ConvLSTM(ConvLSTMConfig(frames_in=1, frames_out=1, variables=2, hidden=(8,), kernel=1, patch=2)).double()
    cell = net.cells[0].gates
    torch.nn.init.zeros_(cell.weight)
    torch.nn.init.constant_(cell.bias, 100.0)  # every gate open
    cell.bias.data[24:] = 0.0
    cell.weight.data[24:, :8, 0, 0] = 1e-4 * torch.eye(8, dtype=torch.float64)  # tanh is the identity for small values
    net.readout.weight.data[:, :, 0, 0] = 1e4 * torch.eye(8, dtype=torch.float64)
    torch.nn.init.zeros_(net.readout.bias)
    x = torch.randn(1, 1, 2, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(net(x), x, atol=1e-6, rtol=1e-6)
