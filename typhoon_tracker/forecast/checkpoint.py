"""Model folders: `weights.safetensors`, `config.json` (sizes, normalisation, training, checksum), `CARD.md`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.model import TARGETS, FieldModel, Normalisation
from typhoon_tracker.nets import architectures
from typhoon_tracker.resources import shipped

WEIGHTS, CONFIG = "weights.safetensors", "config.json"
NEEDED = ("architecture", "network", "target", "variables", "step_hours", "normalisation", "sha256")


def save(
    model: FieldModel, folder: Path, *, variables: Sequence[str], training: dict[str, Any], step_hours: int = 1
) -> None:
    """Write a model folder by renaming, last the config, which vouches for the weights."""
    from safetensors.torch import save as to_bytes

    folder.mkdir(parents=True, exist_ok=True)
    weights = to_bytes({name: value.detach().cpu().contiguous() for name, value in model.net.state_dict().items()})
    architecture, settings = architectures.settings_of(model.net)
    config = {
        "architecture": architecture,
        "network": settings,
        "target": model.target,
        "variables": list(variables),
        "step_hours": step_hours,
        "normalisation": asdict(model.normalisation),
        "training": training,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    contents = {WEIGHTS: weights, CONFIG: json.dumps(config, indent=1).encode() + b"\n"}
    partial = {name: folder / f".{name}.partial" for name in contents}
    try:
        for name, content in contents.items():
            partial[name].write_bytes(content)
    except OSError:  # a full disk: what was there stays, and the rest of the disk is given back
        for path in partial.values():
            path.unlink(missing_ok=True)
        raise
    for name in contents:
        os.replace(partial[name], folder / name)


def find(name: str) -> Path:
    """Return the folder of a shipped model by name, or of any model by path."""
    for folder in (Path(name), shipped("models", name)):
        if (folder / CONFIG).is_file():
            return folder
    known = sorted(p.parent.name for p in shipped("models").glob(f"*/{CONFIG}"))
    raise InputError(
        f"no model {name!r}: it is neither a folder with a {CONFIG} nor one of those shipped: "
        f"{', '.join([*known, 'persistence'])}."
    )


def load(folder: Path) -> tuple[FieldModel, dict[str, Any]]:
    """Return the model of a folder, in evaluation mode, and its config.

    Raises InputError where the weights are truncated or changed, or do not fit the network that the config describes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    config = read_config(folder)
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise InputError(f"the weights {folder / WEIGHTS} cannot be read: {error.strerror}.") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != config["sha256"]:
        raise InputError(
            f"the weights {folder / WEIGHTS} are truncated or changed (sha256 {digest[:12]}..., expected "
            f"{config['sha256'][:12]}...); get the file again."
        )
    net = _network(config, folder)
    model = FieldModel(net, _normalisation(config, net, folder), target=config["target"])
    try:
        state = from_bytes(content)
    except SafetensorError as error:
        raise InputError(f"{folder / WEIGHTS} holds no safetensors: {error}.") from error
    expected = model.net.state_dict()
    for key, value in expected.items():
        if key not in state or state[key].shape != value.shape:
            got = f"has shape {tuple(state[key].shape)}" if key in state else "is missing"
            raise InputError(
                f"the weights of {folder} do not fit their config: {key} {got}, {tuple(value.shape)} is needed."
            )
    unknown = sorted(set(state) - set(expected))
    if unknown:
        raise InputError(f"the weights of {folder} do not fit their config: {unknown[0]} has no place in the network.")
    model.net.load_state_dict(state)
    return model.eval(), config


def read_config(folder: Path) -> dict[str, Any]:
    """Return a model folder's config; raise InputError where it cannot be read or lacks a part."""
    try:
        config = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / CONFIG} cannot be read as a model's config: {error}.") from error
    if not isinstance(config, dict):
        raise InputError(f"{folder / CONFIG} is no model's config: it holds a {type(config).__name__}.")
    missing = [key for key in NEEDED if key not in config]
    if missing:
        raise InputError(f"{folder / CONFIG} lacks {', '.join(missing)}.")
    if config["target"] not in TARGETS:
        raise InputError(f"{folder / CONFIG} has the target {config['target']!r}; known: {', '.join(TARGETS)}.")
    return config


def _network(config: dict[str, Any], folder: Path) -> nn.Module:
    try:
        return architectures.build(config["architecture"], config["network"])
    except ValueError as error:
        raise InputError(f"{folder / CONFIG} describes no network: {error}") from error


def _normalisation(config: dict[str, Any], net: Any, folder: Path) -> Normalisation:
    each = (net.config.variables,)
    shapes = {"mean": each, "std": each, "tendency_std": (net.config.frames_out, *each)}
    for name, needed in shapes.items():
        got = np.shape(config["normalisation"].get(name))
        if got != needed:
            raise InputError(f"the normalisation in {folder / CONFIG}: {name} has shape {got}, {needed} is needed.")
    return Normalisation(**{name: config["normalisation"][name] for name in shapes})
