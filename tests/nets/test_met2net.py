"""The network is the released one: parameters, operations and golden forecast."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from tests.nets.golden import load_golden, part
from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.released import import_released
from typhoon_tracker.nets.blocks import DilatedDepthwise
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig

SMALL = Met2NetConfig(
    frames_in=3, frames_out=3, variables=2, spatial_channels=4, temporal_channels=16, layers=2, heads=4
)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return load_golden()


def released_weights(golden: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return part(golden, "state/")


def test_the_papers_setting_has_the_papers_size() -> None:
    with torch.device("meta"):
        network = Met2Net(Met2NetConfig())
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 12, 4, 128, 128))

    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    assert count(network) == pytest.approx(8.84e6, rel=0.001)
    assert count(network.encoders[0]) == 28_320
    assert count(network.decoders[0]) == 92_769
    assert counter.get_total_flops() / 2 == pytest.approx(
        57.25e9, rel=0.02
    )  # counters differ in what they count of norms


def test_reproduces_the_released_forecast(golden: dict[str, np.ndarray]) -> None:
    network = import_released(released_weights(golden)).eval()
    with torch.inference_mode():
        forecast = network(torch.from_numpy(golden["x"]))
    np.testing.assert_allclose(forecast.numpy(), golden["forecast"], atol=1e-5)


def test_a_lightning_checkpoint_of_the_release_is_the_same(golden: dict[str, np.ndarray]) -> None:
    plain = released_weights(golden)
    wrapped = import_released({f"model.{name}": value for name, value in plain.items()})
    for name, value in import_released(plain).state_dict().items():
        assert torch.equal(wrapped.state_dict()[name], value)


def test_a_released_weight_that_does_not_fit_is_named(golden: dict[str, np.ndarray]) -> None:
    weights = released_weights(golden)
    weights["hid_q.layers.1.attn_1.q_Conv.0.weight"] = torch.zeros(8, 8, 1, 1)
    with pytest.raises(
        InputError, match=r"translator\.layers\.1\.attention\.query\.0\.weight has shape \(8, 8, 1, 1\)"
    ):
        import_released(weights)
    with pytest.raises(InputError, match=r"no weights of the Met2Net release"):
        import_released({"something": torch.zeros(1)})


@pytest.mark.parametrize(("height", "width"), [(32, 32), (16, 31), (7, 10)])
def test_phase_split_convolution_is_the_dilated_one(height: int, width: int) -> None:
    torch.manual_seed(0)
    layer = DilatedDepthwise(5).double()
    x = torch.randn(2, 5, height, width, dtype=torch.float64)
    plain = F.conv2d(x, layer.weight, layer.bias, padding=9, dilation=3, groups=5)
    torch.testing.assert_close(layer(x), plain)


def test_frames_asked_for_are_those_of_the_whole_forecast() -> None:
    torch.manual_seed(0)
    network = Met2Net(SMALL).eval()
    x = torch.randn(2, 3, 2, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network(x, [2, 0]), network(x)[:, [2, 0]])


def test_every_input_frame_and_variable_reaches_every_output() -> None:
    torch.manual_seed(0)
    network = Met2Net(SMALL).double().eval()
    x = torch.randn(1, 3, 2, 16, 16, dtype=torch.float64, requires_grad=True)
    for variable in range(2):
        (grad,) = torch.autograd.grad(network(x)[0, 0, variable].square().sum(), x)
        assert (grad.abs().amax((0, 3, 4)) > 0).all()


def test_samples_of_a_batch_do_not_mix_in_evaluation() -> None:
    torch.manual_seed(0)
    network = Met2Net(SMALL).eval()
    x = torch.randn(2, 3, 2, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network(x)[1:], network(x[1:]))


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="7 heads do not divide temporal_channels = 16"):
        Met2NetConfig(temporal_channels=16, heads=7)
