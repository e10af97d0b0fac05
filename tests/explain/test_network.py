"""Attention and features are those with which the network forecasts, read from outside without changing it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.commands import tiny_model
from tests.nets.tiny import tiny, tiny_met2net
from typhoon_tracker.errors import InputError
from typhoon_tracker.explain.attention import attention_weights, check_attends
from typhoon_tracker.explain.features import layer_names, layers
from typhoon_tracker.explain.model import explained
from typhoon_tracker.forecast.checkpoint import save
from typhoon_tracker.forecast.model import FieldModel, Normalisation
from typhoon_tracker.nets.met2net import Met2Net


def frames(net: Met2Net, samples: int = 2) -> torch.Tensor:
    torch.manual_seed(1)
    config = net.config
    return torch.randn(samples, config.frames_in, config.variables, 8, 12, dtype=torch.float64)


def stored(folder: Path, net: torch.nn.Module) -> Path:
    ones = [1.0] * 4
    model = FieldModel(net.float(), Normalisation(ones, ones, [ones] * 3))
    save(model, folder, variables=("msl", "u10", "v10", "t2m"), training={})
    return folder


@pytest.mark.parametrize("settings", [{}, {"groups": (1, 2, 1)}, {"layers": 3, "heads": 2}])
def test_the_weights_are_those_the_network_applies(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny_met2net(**settings).eval()
    x = frames(net)
    applied: list[torch.Tensor] = []
    softmax = torch.softmax

    def watched(*arguments: object, **options: object) -> torch.Tensor:
        applied.append(softmax(*arguments, **options))
        return applied[-1]

    with monkeypatch.context() as patch:
        patch.setattr(torch, "softmax", watched)
        said = net(x)
    weights = attention_weights(net, x)
    tokens = len(net.config.group_sizes)
    assert weights.shape == (net.config.layers, 2, net.config.heads, tokens, tokens)
    torch.testing.assert_close(weights, torch.stack(applied))
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights.sum(-1)))
    assert weights.std() > 1e-3  # not all the same
    torch.testing.assert_close(net(x), said)  # and nothing is left behind
    assert not any(module._forward_hooks for module in net.modules())


def test_a_target_is_a_row_and_a_source_a_column() -> None:
    """Where one variable's keys vanish its column is worth exp(0); where its queries do, its row is even."""
    net = tiny_met2net(layers=1).eval()
    attention = net.translator.layers[0].attention
    with torch.no_grad():
        attention.query[1].weight.zero_()
        attention.query[1].bias.zero_()
    torch.testing.assert_close(attention_weights(net, frames(net)), torch.full((1, 2, 4, 4, 4), 0.25).double())
    net = tiny_met2net(layers=1).eval()
    x = frames(net, 1)
    other = x.clone()
    other[:, :, 2] += 1.0 + torch.randn_like(other[:, :, 2])
    changed = attention_weights(net, other) / attention_weights(net, x)
    # Logits between the other three stay; so do, in each of their rows, the ratios between their columns.
    kept = torch.tensor([0, 1, 3])
    ratios = changed[..., kept[:, None], kept]
    torch.testing.assert_close(ratios, ratios[..., :1].expand_as(ratios))
    assert (changed[..., 2, :] / changed[..., 2, :1] - 1).abs().max() > 1e-6


@pytest.mark.parametrize("settings", [{}, {"groups": (1, 2, 1)}, {"shared_coders": True}, {"stages": 3, "layers": 1}])
def test_the_layers_lead_to_the_forecast(settings: dict) -> None:
    net = tiny_met2net(**settings).eval()
    x = frames(net)
    names, tokens = layer_names(net), len(net.config.group_sizes)
    found = {(name, token): features for name, token, features in layers(net, x)}
    assert set(found) == {(name, token) for name in names for token in range(tokens)}
    grid = [size // net.config.stride for size in x.shape[-2:]]
    assert {len(features) for features in found.values()} == {2 * grid[0] * grid[1]}
    future = torch.stack([found["T out", token] for token in range(tokens)], dim=1)  # (B*h*w, G, T'*S)
    latents = future.unflatten(0, (2, *grid)).permute(0, 3, 4, 1, 2)
    torch.testing.assert_close(net.decode(latents), net(x))
    stage, channels, cell = f"D{net.config.stages}", net.config.spatial_channels, net.config.stride
    torch.testing.assert_close(found[stage, 0], decoded(net, latents, cell, channels))


def decoded(net: Met2Net, latents: torch.Tensor, cell: int, channels: int) -> torch.Tensor:
    """The last stage of the first decoder, cell means by hand."""
    y = latents[:, 0].unflatten(1, (-1, channels)).flatten(0, 1)
    for stage in list(net.decoders[0])[:-1]:
        y = stage(y)
    b, (h, w) = len(latents), latents.shape[-2:]
    means = y.detach().reshape(b, -1, channels, h, cell, w, cell).mean((4, 6))  # (B, T', S, h, w)
    return means.permute(0, 3, 4, 1, 2).reshape(b * h * w, -1)


@pytest.mark.parametrize("architecture", ["tau", "convlstm"])
def test_a_network_without_variables_inside_is_refused(architecture: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"other is a {architecture}, which knows no variables inside"):
        explained(stored(tmp_path / "other", tiny(architecture)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"attention": False}, "without attention"), ({"groups": (4,)}, r"single token msl\+u10\+v10\+t2m")],
)
def test_a_network_without_attention_has_none_to_show(settings: dict, sentence: str, tmp_path: Path) -> None:
    model = explained(stored(tmp_path / "plain", tiny_met2net(**settings)))
    with pytest.raises(InputError, match=sentence):
        check_attends(model)


def test_tokens_have_the_names_of_their_channels(tmp_path: Path) -> None:
    model = explained(stored(tmp_path / "grouped", tiny_met2net(groups=(1, 2, 1))))
    assert model.tokens == ("msl", "u10+v10", "t2m")
    assert explained(tiny_model(tmp_path / "tiny")).tokens == ("msl", "u10", "v10", "t2m")
