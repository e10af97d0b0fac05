"""Checkpoints in the release's own names, as files: read without executing anything, refused where they do not fit."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.released import load_released
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig

CONFIG = Met2NetConfig(
    frames_in=2, frames_out=3, variables=2, spatial_channels=4, temporal_channels=16, stages=4, layers=2, heads=4
)
UNIT = {
    "scale1": "layer_scale_1",
    "scale2": "layer_scale_2",
    "project_in": "attn.proj_1",
    "near": "attn.spatial_gating_unit.conv0",
    "far": "attn.spatial_gating_unit.conv_spatial",
    "mix": "attn.spatial_gating_unit.conv1",
    "project_out": "attn.proj_2",
    "widen": "mlp.fc1",
    "depthwise": "mlp.dwconv.dwconv",
    "narrow": "mlp.fc2",
}
ATTENTION = {"query": "q_Conv", "key": "k_Conv", "value": "v_Conv", "out": "v_post_f"}


def released_name(name: str) -> str:
    """The release's name of one of this package's weights."""
    parts = name.split(".")
    if parts[0] in ("encoders", "decoders"):
        kind = parts[0][:3]
        where = f"{kind}_q_list.{parts[1]}"
        if parts[0] == "decoders" and int(parts[2]) == CONFIG.stages:
            return f"{where}.readout.{parts[3]}"
        up = kind == "dec" and int(parts[2]) % 2 == 0  # followed by a pixel shuffle there, so one level deeper
        conv = "conv.conv.0" if up else "conv.conv"
        return f"{where}.{kind}.{parts[2]}.{conv if parts[3] == 'conv' else 'conv.norm'}.{parts[4]}"
    if parts[1] != "layers":
        return f"hid_q.{'conv1' if parts[1] == 'enter' else 'conv2'}.{parts[2]}"
    layer, rest = f"hid_q.layers.{parts[2]}", parts[4:]
    if parts[3] == "attention":
        return ".".join([layer, "attn_1", ATTENTION[rest[0]], *rest[1:]])
    if parts[3] == "unit":
        return ".".join([layer, "ff.ff1", UNIT.get(rest[0], rest[0]), *rest[1:]])
    return ".".join([layer, parts[3].replace("norm", "norm_"), *rest])


@pytest.fixture
def network() -> Met2Net:
    torch.manual_seed(0)
    return Met2Net(CONFIG)


@pytest.fixture
def released(network: Met2Net) -> dict[str, torch.Tensor]:
    weights = {released_name(name): value for name, value in network.state_dict().items()}
    weights["hid_q.layers.0.ff.ff1.attn.spatial_gating_unit.fc.0.weight"] = torch.zeros(1, 16)  # never used there
    weights["hid_k.conv1.weight"] = torch.zeros(16, 8, 1, 1)  # a momentum copy
    return weights


@pytest.mark.parametrize("form", ["plain", "lightning"])
def test_a_checkpoint_file_gives_the_network(network, released, tmp_path: Path, form: str) -> None:
    path = tmp_path / "best.ckpt"
    wrapped = {"state_dict": {f"model.{name}": value for name, value in released.items()}, "epoch": 3}
    torch.save(released if form == "plain" else wrapped, path)
    loaded = load_released(path, heads=4)
    assert loaded.config == CONFIG
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "trap.ckpt"
    path.write_bytes(pickle.dumps({"state_dict": Trap()}, protocol=2))
    with pytest.raises(InputError, match=r"trap\.ckpt holds something other than tensors"):
        load_released(path)
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_checkpoint_is_refused(released, tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    with pytest.raises(InputError, match=r"best\.ckpt cannot be read: No such file"):
        load_released(path)
    torch.save(released, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="or is truncated"):
        load_released(path)
    torch.save([1, 2], path)
    with pytest.raises(InputError, match="holds no state dict"):
        load_released(path)


def test_the_first_weight_that_is_wrong_is_named(released, tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    del released["hid_q.layers.1.norm_2.bias"]
    torch.save(released, path)
    with pytest.raises(InputError, match=r"lack translator\.layers\.1\.norm2\.bias"):
        load_released(path, heads=4)
    released["hid_q.layers.1.norm_2.bias"] = torch.zeros(3)
    torch.save(released, path)
    with pytest.raises(InputError, match=r"norm2\.bias has shape \(3,\); the other weights make it \(16,\)"):
        load_released(path, heads=4)
