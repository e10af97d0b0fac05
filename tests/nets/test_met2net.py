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


def test_released_weights_of_no_network_are_refused(golden: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"describe no network: 7 heads do not divide temporal_channels = 32"):
        import_released(released_weights(golden), heads=7)
    shallow = {name: value for name, value in released_weights(golden).items() if not name.startswith("hid_q.layers.")}
    with pytest.raises(InputError, match=r"describe no network: layers = 0"):
        import_released(shallow)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (16, 31), (7, 10)])
def test_phase_split_convolution_is_the_dilated_one(height: int, width: int) -> None:
    torch.manual_seed(0)
    layer = DilatedDepthwise(5).double()
    x = torch.randn(2, 5, height, width, dtype=torch.float64)
    plain = F.conv2d(x, layer.weight, layer.bias, padding=9, dilation=3, groups=5)
    torch.testing.assert_close(layer(x), plain)
