"""Implicit two-stage training: the released losses, gradients and momentum update, and who learns from what."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.benchmarks.plain_met2net import PlainMet2Net
from tests.benchmarks.plain_two_stage import PlainTwoStage
from tests.nets.golden import load_golden, part
from typhoon_tracker.forecast.released import import_released
from typhoon_tracker.nets import streamed
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig
from typhoon_tracker.training.two_stage import PAPER, RELEASED, Momentum, TwoStage

SMALL = Met2NetConfig(
    frames_in=2, frames_out=2, variables=2, spatial_channels=4, temporal_channels=8, layers=1, heads=2, drop_path=0.0
)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return load_golden()


def released(golden: dict[str, np.ndarray]) -> TwoStage:
    """The released network in training, stochastic depth off, with its momentum translator."""
    weights = part(golden, "state/")
    training = TwoStage(without_depth(import_released(weights)), RELEASED)
    slow = {name.replace("hid_k.", "hid_q."): value for name, value in weights.items() if name.startswith("hid_k.")}
    training.slow_translator.load_state_dict(import_released(weights | slow).translator.state_dict())
    without_depth(training.slow_translator)
    return training.train()


def without_depth(module: torch.nn.Module) -> torch.nn.Module:
    for part_of in module.modules():
        if hasattr(part_of, "probability"):
            part_of.probability = 0.0
    return module


def frames(golden: dict[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(golden["x"]), torch.from_numpy(golden["y"])


def test_released_losses(golden: dict[str, np.ndarray]) -> None:
    losses = released(golden).losses(*frames(golden))
    assert losses.reconstruction.item() == pytest.approx(float(golden["loss_rec"]), abs=1e-5)
    assert losses.latent.item() == pytest.approx(float(golden["loss_latent"]), abs=1e-5)
    assert losses.total.item() == pytest.approx(float(golden["loss"]), abs=1e-5)


def test_released_gradients(golden: dict[str, np.ndarray]) -> None:
    training = released(golden)
    training.losses(*frames(golden)).total.backward()
    # The importer renames the gradients as it renames the weights; buffers and the momentum copy have none.
    given = part(golden, "state/") | part(golden, "grad/")
    expected = import_released(given).state_dict()
    named = dict(training.net.named_parameters())
    assert len(part(golden, "grad/")) >= len(named)
    for name, parameter in named.items():
        assert parameter.grad is not None, name
        # A key's bias shifts all scores alike, which softmax does not feel: its gradient is rounding around 0.
        scale = max(expected[name].abs().max().item(), 1e-3)
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-4 * scale, msg=name)


def test_released_momentum_update(golden: dict[str, np.ndarray]) -> None:
    training = released(golden)
    training.losses(*frames(golden))
    training.update()
    after = {name.replace("hid_k.", "hid_q."): value for name, value in part(golden, "after/").items()}
    expected = import_released(part(golden, "state/") | after).translator.state_dict()
    for name, value in training.slow_translator.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("momentum", [PAPER, RELEASED])
def test_each_loss_teaches_its_own_part(momentum: Momentum) -> None:
    torch.manual_seed(0)
    training = TwoStage(Met2Net(SMALL), momentum).train()
    losses = training.losses(torch.randn(2, 2, 2, 8, 8), torch.randn(2, 2, 2, 8, 8))
    coders = [*training.net.encoders.parameters(), *training.net.decoders.parameters()]
    translator = list(training.net.translator.parameters())

    def taught(loss: torch.Tensor, parameters: list[torch.nn.Parameter]) -> list[bool]:
        grads = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        return [grad is not None for grad in grads]

    assert all(taught(losses.reconstruction, coders))
    assert not any(taught(losses.reconstruction, translator))
    assert all(taught(losses.latent, translator))
    assert not any(taught(losses.latent, coders))


def test_the_hard_copy_equals_a_kept_copy_without_momentum() -> None:
    torch.manual_seed(0)
    net = Met2Net(SMALL)
    x, y = torch.randn(2, 2, 2, 8, 8), torch.randn(2, 2, 2, 8, 8)
    quick = TwoStage(net, RELEASED).losses(x, y)
    plain = TwoStage(net, Momentum(coders=1e-12, translator=0.9)).losses(x, y)
    torch.testing.assert_close(quick.total, plain.total)


def steps(training: TwoStage | PlainTwoStage, count: int) -> list[tuple[torch.Tensor, list[torch.Tensor]]]:
    """Losses and gradients of some steps with stochastic depth, the dice of every step thrown anew."""
    torch.manual_seed(3)
    dtype = next(training.parameters()).dtype
    x, y = torch.randn(2, 2, 2, 2, 12, 8, dtype=dtype).unbind(0)
    optimizer = torch.optim.Adam(training.net.parameters(), lr=1e-3)
    found = []
    for step in range(count):
        torch.manual_seed(step)
        losses = training.losses(x, y)
        optimizer.zero_grad()
        losses.total.backward()
        named = dict(training.net.named_parameters())
        pair = torch.stack([losses.reconstruction, losses.latent]).detach()
        found.append((pair, [named[name].grad.clone() for name in sorted(named)]))
        optimizer.step()
        training.update()
    return found


def pair(momentum: Momentum, *, dtype: torch.dtype) -> tuple[TwoStage, PlainTwoStage]:
    """The step and the textbook's, from the same weights, with stochastic depth and layer scales that let it show."""
    torch.manual_seed(0)
    net = Met2Net(dataclasses.replace(SMALL, layers=2, drop_path=0.4)).to(dtype)
    for name, parameter in net.named_parameters():
        if "scale" in name:
            torch.nn.init.ones_(parameter)
    plain = PlainMet2Net(net.config).to(dtype)
    plain.load_state_dict(net.state_dict())
    return TwoStage(net, momentum).train(), PlainTwoStage(plain, momentum).train()


@pytest.mark.parametrize("momentum", [PAPER, RELEASED])
def test_it_is_the_textbook_step(momentum: Momentum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "CHUNK_ON_CPU", 3 * 4 * 12 * 8)  # three frames at once, of four
    lean, plain = pair(momentum, dtype=torch.float64)
    for (losses, gradients), (expected, expected_gradients) in zip(steps(lean, 3), steps(plain, 3), strict=True):
        torch.testing.assert_close(losses, expected, rtol=1e-9, atol=0)
        for got, wanted in zip(gradients, expected_gradients, strict=True):
            # A key's bias gets no gradient but rounding.
            torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9 * wanted.abs().max().clamp(min=1e-6).item())
    slow = plain.slow_translator.state_dict()
    for name, value in lean.slow_translator.state_dict().items():
        torch.testing.assert_close(value, slow[name], rtol=1e-9, atol=1e-12, msg=name)


def test_bfloat16_is_as_good_as_the_textbook_step_in_it() -> None:
    exact, _ = pair(RELEASED, dtype=torch.float32)
    ((losses, gradients),) = steps(exact, 1)
    reference = torch.cat([g.flatten() for g in gradients])

    def error(training: TwoStage | PlainTwoStage) -> float:
        with torch.autocast("cpu", torch.bfloat16):
            ((found, gradients),) = steps(training, 1)
        torch.testing.assert_close(found, losses, rtol=0.01, atol=0)
        return ((torch.cat([g.flatten() for g in gradients]) - reference).norm() / reference.norm()).item()

    lean, plain = (error(training) for training in pair(RELEASED, dtype=torch.float32))
    assert lean <= 1.5 * plain


def test_evaluation_changes_nothing() -> None:
    torch.manual_seed(0)
    training = TwoStage(Met2Net(SMALL), PAPER).eval()
    before = {name: value.clone() for name, value in training.state_dict().items()}
    training(torch.randn(2, 2, 2, 8, 8))
    training.losses(torch.randn(2, 2, 2, 8, 8), torch.randn(2, 2, 2, 8, 8))
    for name, value in training.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_update_moves_the_copies_by_their_share() -> None:
    torch.manual_seed(0)
    training = TwoStage(Met2Net(SMALL), Momentum(coders=0.75, translator=0.5))
    old = training.slow_translator.enter.weight.clone()
    with torch.no_grad():
        training.net.translator.enter.weight.add_(1.0)
        training.net.encoders[0][0].conv.weight.add_(1.0)  # type: ignore[index]
    slow = training.slow_encoders[0][0].conv.weight.clone()  # type: ignore[index]
    training.update()
    torch.testing.assert_close(training.slow_translator.enter.weight, old + 0.5)
    torch.testing.assert_close(training.slow_encoders[0][0].conv.weight, slow + 0.25)  # type: ignore[index]
