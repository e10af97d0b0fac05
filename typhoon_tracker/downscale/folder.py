"""Model folders of downscalers: `weights.safetensors` and `config.json`, as those of the forecasters."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from typhoon_tracker.downscale.model import Downscaler, Normalisation, build
from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.checkpoint import CONFIG, WEIGHTS
from typhoon_tracker.resources import shipped

KIND = "downscaler"
NEEDED = ("kind", "network", "constraint", "variables", "coarse_shape", "normalisation", "training", "sha256")


@dataclass(frozen=True, eq=False)
class Refiner:
    """A downscaler by name, with what its config says of it."""

    name: str
    model: Downscaler
    factor: int
    variables: tuple[str, ...]
    training: Mapping[str, Any]  # empty for a baseline


def save(model: Downscaler, folder: Path, *, network: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write a model folder by renaming, last the config, which vouches for the weights."""
    from safetensors.torch import save as to_bytes

    folder.mkdir(parents=True, exist_ok=True)
    weights = to_bytes({name: value.detach().cpu().contiguous() for name, value in model.net.state_dict().items()})
    config = {
        "kind": KIND,
        "network": dict(network),
        "constraint": model.constraint,
        "normalisation": asdict(model.normalisation),
        **about,
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
    """Return the folder of that path, or else that of a shipped model of that name."""
    shipped_one = shipped("models", name)
    return shipped_one if not (Path(name) / CONFIG).is_file() and (shipped_one / CONFIG).is_file() else Path(name)


def load(folder: Path) -> Refiner:
    """Return the downscaler of a model folder, in evaluation mode.

    Raises InputError where the folder holds none, or weights that are truncated, changed or do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    config = _config(folder)
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise InputError(f"the weights {folder / WEIGHTS} cannot be read: {error.strerror}.") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != config["sha256"]:
        raise InputError(
            f"the weights {folder / WEIGHTS} are truncated or changed (sha256 {digest[:12]}..., expected "
            f"{str(config['sha256'])[:12]}...); get the file again."
        )
    try:
        settings = config["network"]
        net = build(settings["name"], channels=len(config["variables"]), factor=settings["factor"],
                    width=settings["width"], coarse_shape=config["coarse_shape"])  # fmt: skip
        net.load_state_dict(from_bytes(content))
        model = Downscaler(net, Normalisation(**config["normalisation"]), constraint=config["constraint"])
    except (KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{folder} is no whole downscaler: weights and {CONFIG} do not fit ({reason}).") from error
    return Refiner(folder.name, model.eval(), settings["factor"], tuple(config["variables"]), config["training"])


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / CONFIG).is_file():
        raise InputError(f"no downscaler {str(folder)!r}: it is no folder with a {CONFIG}; train one first.")
    try:
        config = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / CONFIG} cannot be read as a model's config: {error}.") from error
    if not isinstance(config, dict) or config.get("kind") != KIND:
        raise InputError(f"{folder} is no downscaler; give a folder that `downscale train` wrote.")
    missing = [key for key in NEEDED if key not in config]
    if missing:
        raise InputError(f"{folder / CONFIG} lacks {', '.join(missing)}.")
    return config
