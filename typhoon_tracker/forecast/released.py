"""Checkpoints of the public Met2Net release, read into this package's network."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from typhoon_tracker.errors import InputError
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig

# Released names to ours, tried in order. The momentum copies and the squeeze-and-excitation branch are not used.
RENAMED = (
    (r"^enc_q_list\.(\d+)\.enc\.(\d+)\.conv\.conv\.(?:0\.)?(weight|bias)$", r"encoders.\1.\2.conv.\3"),
    (r"^enc_q_list\.(\d+)\.enc\.(\d+)\.conv\.norm\.", r"encoders.\1.\2.norm."),
    (r"^dec_q_list\.(\d+)\.dec\.(\d+)\.conv\.conv\.(?:0\.)?(weight|bias)$", r"decoders.\1.\2.conv.\3"),
    (r"^dec_q_list\.(\d+)\.dec\.(\d+)\.conv\.norm\.", r"decoders.\1.\2.norm."),
    (r"^dec_q_list\.(\d+)\.readout\.", r"decoders.\1.{readout}."),
    (r"^hid_q\.conv1\.", "translator.enter."),
    (r"^hid_q\.conv2\.", "translator.leave."),
    (r"^hid_q\.layers\.(\d+)\.norm_(\d)\.", r"translator.layers.\1.norm\2."),
    (r"^hid_q\.layers\.(\d+)\.attn_1\.q_Conv\.", r"translator.layers.\1.attention.query."),
    (r"^hid_q\.layers\.(\d+)\.attn_1\.k_Conv\.", r"translator.layers.\1.attention.key."),
    (r"^hid_q\.layers\.(\d+)\.attn_1\.v_Conv\.", r"translator.layers.\1.attention.value."),
    (r"^hid_q\.layers\.(\d+)\.attn_1\.v_post_f\.", r"translator.layers.\1.attention.out."),
    (r"^hid_q\.layers\.(\d+)\.ff\.ff1\.", r"translator.layers.\1.unit."),
)
UNIT_RENAMED = {
    "layer_scale_1": "scale1",
    "layer_scale_2": "scale2",
    "attn.proj_1.": "project_in.",
    "attn.spatial_gating_unit.conv0.": "near.",
    "attn.spatial_gating_unit.conv_spatial.": "far.",
    "attn.spatial_gating_unit.conv1.": "mix.",
    "attn.proj_2.": "project_out.",
    "mlp.fc1.": "widen.",
    "mlp.dwconv.dwconv.": "depthwise.",
    "mlp.fc2.": "narrow.",
}
UNUSED = (".spatial_gating_unit.fc.", "hid_k.", "enc_k_list.", "dec_k_list.")


def load_released(path: str | Path, *, heads: int = 8) -> Met2Net:
    """Return the network of a released checkpoint file, a state dict or Lightning's; nothing in the file is executed.

    Raises InputError where the file cannot be read as tensors alone, and as `import_released` does.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"the checkpoint {path} cannot be read: {error.strerror}.") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"the checkpoint {path} holds something other than tensors, or is truncated; where you trust it, save its "
            f"state dict alone with torch.save and give that."
        ) from error
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"the checkpoint {path} holds no state dict.")
    return import_released(content, heads=heads)


def import_released(state_dict: Mapping[str, Tensor], *, heads: int = 8) -> Met2Net:
    """Return the network of a released state dict (plain, or Lightning's with `model.` prefixes).

    Raises InputError naming the first weight that is missing, unknown, or does not fit.
    """
    given = {name.removeprefix("model."): value for name, value in state_dict.items()}
    given = {name: value for name, value in given.items() if not any(part in name for part in UNUSED)}
    config = _sizes(given, heads)
    renamed = {_rename(name, config.stages): value for name, value in given.items()}
    network = Met2Net(config)
    for name, expected in network.state_dict().items():
        if name not in renamed:
            raise InputError(f"the released weights lack {name} (in this package's names).")
        if renamed[name].shape != expected.shape:
            got, needed = tuple(renamed[name].shape), tuple(expected.shape)
            raise InputError(f"the released weight {name} has shape {got}; the other weights make it {needed}.")
    network.load_state_dict(renamed)
    return network


def _sizes(given: Mapping[str, Tensor], heads: int) -> Met2NetConfig:
    try:
        first = given["enc_q_list.0.enc.0.conv.conv.weight"]
        enter, leave = given["hid_q.conv1.weight"], given["hid_q.conv2.weight"]
    except KeyError as error:
        raise InputError(f"these are no weights of the Met2Net release: {error.args[0]} is missing.") from error
    channels = first.shape[0]
    try:
        return Met2NetConfig(
            frames_in=enter.shape[1] // channels,
            frames_out=leave.shape[0] // channels,
            variables=_count(given, r"^enc_q_list\.(\d+)\."),
            spatial_channels=channels,
            temporal_channels=enter.shape[0],
            stages=_count(given, r"^enc_q_list\.0\.enc\.(\d+)\."),
            layers=_count(given, r"^hid_q\.layers\.(\d+)\."),
            heads=heads,
        )
    except ValueError as error:
        raise InputError(f"the released weights describe no network: {error}") from error


def _count(given: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max((int(found[1]) for name in given if (found := re.match(pattern, name))), default=-1)


def _rename(name: str, stages: int) -> str:
    for pattern, ours in RENAMED:
        if re.match(pattern, name):
            renamed = re.sub(pattern, ours, name).replace("{readout}", str(stages))
            for theirs, unit in UNIT_RENAMED.items():
                renamed = renamed.replace(f".unit.{theirs}", f".unit.{unit}")
            return renamed
    raise InputError(f"the released weight {name} is not known.")
