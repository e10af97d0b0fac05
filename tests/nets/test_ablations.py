"""What Met2Net's settings switch: attention, groups of channels, coders of one or of every variable."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from torch import nn

from tests.nets.tiny import influence, tiny_met2net
from typhoon_tracker.nets.architectures import build
from typhoon_tracker.nets.met2net import Met2Net

SHIPPED = Path(__file__).resolve().parents[2] / "models/met2net-small"
FRAMES = torch.randn(2, 3, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def across_variables(net: Met2Net) -> torch.Tensor:
    """Which input variable (column) moves which output variable (row)."""
    return influence(net.eval(), FRAMES[:1]).any(2).all(0)


def test_the_shipped_weights_fit() -> None:
    network = json.loads((SHIPPED / "config.json").read_text())["network"]
    build("met2net", network).load_state_dict(load_file(SHIPPED / "weights.safetensors"))


def test_without_attention_no_variable_sees_another() -> None:
    assert across_variables(tiny_met2net()).all()
    assert torch.equal(across_variables(tiny_met2net(attention=False)), torch.eye(4, dtype=torch.bool))


def test_without_attention_only_the_attention_is_gone() -> None:
    with_it, without = tiny_met2net(), tiny_met2net(attention=False)
    assert set(with_it.state_dict()) - set(without.state_dict()) == {
        name for name in with_it.state_dict() if ".attention." in name
    }
    assert set(without.state_dict()) < set(with_it.state_dict())


def test_the_channels_of_a_group_are_one_variable_in_their_places() -> None:
    blocks = torch.block_diag(torch.ones(1, 1), torch.ones(2, 2), torch.ones(1, 1)).bool()
    assert torch.equal(across_variables(tiny_met2net(groups=(1, 2, 1), attention=False)), blocks)


def test_groups_have_a_coder_and_a_token_each() -> None:
    net = tiny_met2net(groups=[1, 2, 1])
    assert [encoder[0].conv.in_channels for encoder in net.encoders] == [1, 2, 1]
    assert [decoder[-1].out_channels for decoder in net.decoders] == [1, 2, 1]
    latent = net.encode(FRAMES)
    assert latent.shape == (2, 3, 3 * 4, 4, 4)  # (B, G, T*S, h, w)
    assert net.decode(latent).shape == FRAMES.shape
    with pytest.raises(ValueError, match="longer"):
        net.encode(FRAMES, net.encoders[:2])


def test_groups_of_one_channel_are_the_default() -> None:
    plain, grouped = tiny_met2net(), tiny_met2net(groups=(1, 1, 1, 1))
    grouped.load_state_dict(plain.state_dict())
    assert torch.equal(plain(FRAMES), grouped(FRAMES))


def test_every_channel_in_one_group_mixes_without_attention() -> None:
    net = tiny_met2net(groups=(4,), attention=False)
    assert len(net.encoders) == len(net.decoders) == 1
    assert across_variables(net).all()


def test_shared_coders_are_one_module_with_the_weights_of_one() -> None:
    own, shared = tiny_met2net(), tiny_met2net(shared_coders=True)
    assert len(shared.encoders) == len(shared.decoders) == 4
    assert shared.encoders[0] is shared.encoders[3]
    assert shared.decoders[0] is shared.decoders[-1]
    assert size(own) - size(shared) == 3 * (size(own.encoders[0]) + size(own.decoders[0]))
    assert not [name for name in shared.state_dict() if name.startswith(("encoders.1", "decoders.1"))]
    save(shared.state_dict())  # safetensors refuses weights that share memory


def test_a_copy_of_shared_coders_is_shared_and_apart() -> None:
    online = tiny_met2net(shared_coders=True).encoders
    slow = copy.deepcopy(online)
    assert len(slow) == 4
    assert slow[0] is slow[1]
    assert slow[0] is not online[0]
    assert len(list(slow.parameters())) == len(list(online.parameters()))


def test_with_shared_coders_reordered_variables_reorder_the_forecast() -> None:
    order = [2, 0, 3, 1]
    shared, own = tiny_met2net(shared_coders=True).eval(), tiny_met2net().eval()
    torch.testing.assert_close(shared(FRAMES[:, :, order]), shared(FRAMES)[:, :, order])
    assert not torch.allclose(own(FRAMES[:, :, order]), own(FRAMES)[:, :, order])


def test_given_encoders_encode_in_place_of_the_own() -> None:
    net, other = tiny_met2net(), tiny_met2net()
    nn.init.zeros_(other.encoders[1][0].norm.bias)
    nn.init.zeros_(other.encoders[1][0].norm.weight)
    changed = (net.encode(FRAMES, other.encoders) != net.encode(FRAMES)).flatten(2).any(2).all(0)
    assert changed.tolist() == [False, True, False, False]


def test_stages_set_the_latent_grid() -> None:
    for stages, stride in ((1, 1), (2, 2), (3, 2), (4, 4)):
        net = tiny_met2net(stages=stages)
        assert net.config.stride == stride
        assert net.encode(FRAMES).shape[-2:] == (8 // stride, 8 // stride)
        assert net(FRAMES).shape == FRAMES.shape


def test_stochastic_depth_acts_in_training_alone() -> None:
    net = tiny_met2net(drop_path=0.5)
    assert not torch.equal(net(FRAMES), net(FRAMES))
    net.eval()
    assert torch.equal(net(FRAMES), net(FRAMES))
