"""Every network keeps the same contract: frames in, frames out, samples apart, settings as JSON and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from tests.nets.tiny import TINY, influence, tiny
from typhoon_tracker.nets.architectures import ARCHITECTURES, build, settings_of

EVERY = pytest.mark.parametrize("architecture", ARCHITECTURES)


def frames(samples: int = 2, count: int = 3) -> torch.Tensor:
    return torch.randn(samples, count, 4, 8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@EVERY
def test_settings_read_back_build_the_same_network(architecture: str) -> None:
    net = build(architecture, TINY[architecture])
    name, settings = json.loads(json.dumps(settings_of(net)))
    again = build(name, settings)
    assert name == architecture
    assert settings.items() >= TINY[architecture].items()
    assert again.config == net.config
    again.load_state_dict(net.state_dict())


@EVERY
def test_a_setting_of_no_network_is_refused_with_the_nearest(architecture: str) -> None:
    nearest = (
        rf"unknown {architecture} setting 'frame_in'; did you mean 'frames_in'\? known: frames_in, frames_out, var"
    )
    with pytest.raises(ValueError, match=nearest):
        build(architecture, {"frame_in": 3})


def test_an_unknown_architecture_is_refused_with_those_known() -> None:
    with pytest.raises(
        ValueError, match=r"unknown architecture 'metnet'; did you mean 'met2net'\? known: met2net, tau, c"
    ):
        build("metnet", {})
    with pytest.raises(ValueError, match="Linear is none of the architectures met2net, tau, convlstm"):
        settings_of(torch.nn.Linear(1, 1))


@EVERY
def test_frames_asked_for_are_those_of_the_whole_forecast(architecture: str) -> None:
    net = tiny(architecture).eval()
    with torch.inference_mode():
        whole = net(frames())
        torch.testing.assert_close(net(frames(), [2, 0]), whole[:, [2, 0]])
        torch.testing.assert_close(net(frames(), [-1]), whole[:, [-1]])
        with pytest.raises(IndexError):
            net(frames(), [3])


@EVERY
def test_samples_of_a_batch_do_not_mix_in_evaluation(architecture: str) -> None:
    net = tiny(architecture).eval()
    with torch.inference_mode():
        torch.testing.assert_close(net(frames())[1:], net(frames()[1:]))


@EVERY
@pytest.mark.parametrize(("past", "future"), [(3, 3), (2, 5), (4, 1)])
def test_every_input_frame_and_variable_reaches_every_output(architecture: str, past: int, future: int) -> None:
    net = tiny(architecture, frames_in=past, frames_out=future).eval()
    moved = influence(net, frames(1, past))
    assert moved.shape == (future, 4, past, 4)
    assert moved.all()


@EVERY
def test_a_few_steps_learn_a_sample_by_heart(architecture: str) -> None:
    net = tiny(architecture)
    x, y = frames()[:, :, :, :8, :8], frames().roll(2, dims=-1)[:, :, :, :8, :8]
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@EVERY
def test_a_grid_off_the_stride_is_refused(architecture: str) -> None:
    net = tiny(architecture)
    assert net.config.stride == 2
    with pytest.raises(ValueError, match=r"a grid of 8 x 11 points is no multiple of the stride 2"):
        net(frames()[..., :11])


@EVERY
@pytest.mark.parametrize("shape", [(2, 4, 4, 8, 8), (2, 3, 5, 8, 8), (3, 4, 8, 8)])
def test_frames_and_variables_that_do_not_fit_are_refused(architecture: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"3 frames, 4 variables, height, width\); got \(" + ", ".join(map(str, shape))
    ):
        tiny(architecture)(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize(
    ("architecture", "settings", "complaint"),
    [
        ("met2net", {"frames_in": 0}, r"frames_in = 0 must be a whole number of 1 or more"),
        ("met2net", {"layers": 2.5}, r"layers = 2\.5 must be a whole number"),
        ("met2net", {"heads": True}, r"heads = True must be a whole number"),
        ("met2net", {"spatial_channels": 5}, r"spatial_channels = 5 must be even"),
        ("met2net", {"heads": 7}, r"7 heads do not divide temporal_channels = 256"),
        ("met2net", {"drop_path": 1.0}, r"drop_path = 1\.0 must lie in \[0, 1\)"),
        ("met2net", {"drop_path": "0.1"}, r"drop_path = '0\.1' must lie"),
        ("met2net", {"drop_path": float("nan")}, r"drop_path = nan must lie"),
        ("met2net", {"groups": [1, 2]}, r"groups = \(1, 2\) have 3 channels together; variables = 4"),
        ("met2net", {"groups": [4, 0]}, r"groups = \[4, 0\] must be a list of whole numbers"),
        ("met2net", {"groups": 4}, r"groups = 4 must be a list"),
        ("met2net", {"groups": [1, 2, 1], "shared_coders": True}, r"groups of one size; groups = \(1, 2, 1\)"),
        (
            "met2net",
            {"block": "swin"},
            r"unknown block 'swin'; known: tau, gsta, convnext, poolformer, hornet, moganet",
        ),
        ("met2net", {"block": ["tau"]}, r"unknown block \['tau'\]"),
        (
            "met2net",
            {"block": "hornet", "temporal_channels": 24},
            r"'hornet' needs .* multiples of 16; temporal_channels = 24",
        ),
        (
            "met2net",
            {"block": "moganet", "temporal_channels": 20, "heads": 4},
            r"multiples of 8; temporal_channels = 20",
        ),
        ("met2net", {"attention": "no"}, r"attention = 'no' must be true or false"),
        ("met2net", {"shared_coders": 1}, r"shared_coders = 1 must be true or false"),
        ("tau", {"expansion": -1}, r"expansion = -1 must be a whole number"),
        ("tau", {"spatial_channels": 3}, r"spatial_channels = 3 must be even"),
        ("tau", {"drop_path": -0.1}, r"drop_path = -0\.1 must lie"),
        ("convlstm", {"hidden": []}, r"hidden = \(\) must name"),
        ("convlstm", {"hidden": [8, "8"]}, r"hidden = \[8, '8'\] must be a list"),
        ("convlstm", {"kernel": 4}, r"kernel = 4 must be odd"),
        ("convlstm", {"patch": 0}, r"patch = 0 must be a whole number"),
    ],
)
def test_settings_that_fit_no_network_are_refused(architecture: str, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build(architecture, settings)
