"""What a training is: the choices that its weights depend on, from presets, options and the weights it starts from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typhoon_tracker.errors import InputError

RECONSTRUCTION = "reconstruction"
END_TO_END, TWO_STAGE = "end-to-end", "two-stage"
TRAPEZOID, COSINE = "trapezoid", "cosine"

DEFAULTS: dict[str, Any] = {
    "architecture": "met2net",
    "target": "tendency",
    "objective": END_TO_END,
    "momentum": None,
    "steps": 3000,
    "epochs": None,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "schedule": TRAPEZOID,
    "precision": "bf16-mixed",
    "seed": 1,
    "data": RECONSTRUCTION,
    "centre_weight": 0.0,
    "leads_a_step": None,
    "rollout": 1,
    "validation_windows": 96,
    "workers": 0,
    "start_from": None,
}
SMALL = {"spatial_channels": 16, "temporal_channels": 192, "layers": 4}  # of Met2Net, what two CPU cores can train
ERA5 = {"spatial_channels": 32, "temporal_channels": 256, "layers": 8}  # the paper's and the release's
_TWO_STAGE = {
    "architecture": "met2net",
    "network": ERA5,
    "target": "state",
    "objective": TWO_STAGE,
    "steps": None,
    "batch_size": 16,
    "learning_rate": 5e-4,  # the release's for ERA5; the paper gives none
    "schedule": COSINE,
    "precision": "32-true",
    "seed": 42,
}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {**_TWO_STAGE, "momentum": (0.999, 0.999), "epochs": 50},
    "released": {**_TWO_STAGE, "momentum": (0.0, 0.9), "epochs": 200},
}
RELEASED_MOMENTUM = PRESETS["released"]["momentum"]


@dataclass(frozen=True)
class Settings:
    """The choices that the weights depend on; `momentum` is that of the coders and of the translator."""

    architecture: str
    network: dict[str, Any]
    target: str
    objective: str
    momentum: tuple[float, float] | None
    steps: int | None  # one of steps and epochs is None
    epochs: int | None
    batch_size: int
    learning_rate: float
    schedule: str
    ema: float
    clip: float
    precision: str
    seed: int
    data: str
    crop: int | None  # None: the whole grid, or the region of the forecasts
    centre_weight: float
    leads_a_step: int | None
    rollout: int  # rounds of frames_out leads, each from the frames of the one before
    validation_windows: int
    workers: int
    start_from: str | None


def resolve(
    given: Mapping[str, Any], *, preset: str | None = None, weights: Mapping[str, Any] | None = None
) -> Settings:
    """Return the settings: what is `given` first, then the weights' config, the preset, and the defaults.

    Raises InputError for settings that contradict one another or the weights.
    """
    given = {name: value for name, value in given.items() if value is not None and value != {}}
    if "steps" in given and "epochs" in given:
        raise InputError(
            f"--steps {given['steps']} and --epochs {given['epochs']} both say how long; give one of them."
        )
    chosen = {**DEFAULTS, **(PRESETS[preset] if preset else {})}
    if weights is not None:
        _check_same(given, weights)
        chosen |= {name: weights[name] for name in ("architecture", "network", "target")}
    chosen |= given
    if "steps" in given or "epochs" in given:
        chosen |= {"steps": given.get("steps"), "epochs": given.get("epochs")}
    chosen["network"] = _network(given, chosen, preset, weights)
    two_stage = chosen["objective"] == TWO_STAGE
    if two_stage:
        chosen["momentum"] = tuple(chosen["momentum"] or RELEASED_MOMENTUM)
    elif "momentum" not in given:
        chosen["momentum"] = None
    chosen.setdefault("ema", 0.0 if two_stage else 0.99)
    chosen.setdefault("clip", 0.0 if two_stage else 1.0)
    chosen.setdefault("crop", 64 if chosen["data"] == RECONSTRUCTION else None)
    chosen["crop"] = chosen["crop"] or None
    settings = Settings(**chosen)
    _check(settings)
    return settings


def _network(
    given: Mapping[str, Any], chosen: Mapping[str, Any], preset: str | None, weights: Mapping[str, Any] | None
) -> dict[str, Any]:
    if weights is not None:
        return dict(weights["network"])
    start: dict[str, Any] = {}
    if chosen["architecture"] == "met2net":
        start = PRESETS[preset]["network"] if preset else SMALL
    return {**start, **given.get("network", {})}


def _check_same(given: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    asked = {name: given[name] for name in ("architecture", "target") if name in given} | dict(given.get("network", {}))
    have = {"architecture": weights["architecture"], "target": weights["target"], **weights["network"]}
    for name, value in asked.items():
        if have.get(name) != value:
            raise InputError(
                f"the weights to start from have {name} = {have.get(name, 'no such setting')}, not {value}; leave it "
                f"out, or train from nothing."
            )


def _check(settings: Settings) -> None:
    if settings.objective == TWO_STAGE:
        if settings.architecture != "met2net":
            raise InputError(
                f"two-stage training is Met2Net's alone; train {settings.architecture} with --objective {END_TO_END}."
            )
        if settings.target != "state":
            raise InputError(
                f"two-stage training encodes the future as it does the past, which target {settings.target!r} does not "
                f"allow; give --target state, or --objective {END_TO_END}."
            )
        if settings.ema:
            raise InputError(
                f"--ema {settings.ema} is for --objective {END_TO_END}; two-stage training averages by its momentum."
            )
    elif settings.momentum is not None:
        raise InputError(f"--momentum is for --objective {TWO_STAGE}; leave it out, or give that objective.")
    for name, value in (("ema", settings.ema), *(("momentum", a) for a in settings.momentum or ())):
        if not 0.0 <= value < 1.0:
            raise InputError(f"--{name} {value} is outside 0 to 1 (1 would never learn); give one such as 0.99.")
    if not (settings.learning_rate > 0.0 and math.isfinite(settings.learning_rate)):
        raise InputError(f"--learning-rate {settings.learning_rate} is not positive; give one such as 1e-3.")
    if not (settings.clip >= 0.0 and math.isfinite(settings.clip)):
        raise InputError(
            f"--clip {settings.clip} is negative or no number; give a norm such as 1, or 0 for no clipping."
        )
    _check_centre(settings)


def _check_centre(settings: Settings) -> None:
    weight, leads = settings.centre_weight, settings.leads_a_step
    if not (weight >= 0.0 and math.isfinite(weight)):
        raise InputError(f"--centre-weight {weight} is negative or no number; give one such as 0.2, or 0 for none.")
    if settings.objective == TWO_STAGE and (weight or leads or settings.rollout > 1):
        name = "--centre-weight" if weight else "--leads-a-step" if leads else "--rollout"
        raise InputError(f"{name} is for --objective {END_TO_END}; leave it out, or give that objective.")
    if weight and settings.data != RECONSTRUCTION:
        raise InputError(
            f"--centre-weight {weight} needs to know where the storms are, which fields of {settings.data} do not say; "
            f"leave it out, or train on the {RECONSTRUCTION}."
        )


def parse_network(pairs: list[str]) -> dict[str, Any]:
    """Return the settings of pairs such as layers=4 or groups=[1,2,1]; InputError where one is none."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals or not text:
            raise InputError(f"--network {pair!r} is no setting; give NAME=VALUE, such as layers=4.")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found[name.strip().replace("-", "_")] = value
    return found
