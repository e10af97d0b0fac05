"""The networks by name: built from settings as a model folder keeps them, and their settings read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from typing import Any, NamedTuple

from torch import nn

from typhoon_tracker.nets.convlstm import ConvLSTM, ConvLSTMConfig
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig
from typhoon_tracker.nets.tau import Tau, TauConfig


class Architecture(NamedTuple):
    config: type[Met2NetConfig] | type[TauConfig] | type[ConvLSTMConfig]
    net: type[Met2Net] | type[Tau] | type[ConvLSTM]


ARCHITECTURES: Mapping[str, Architecture] = {
    "met2net": Architecture(Met2NetConfig, Met2Net),
    "tau": Architecture(TauConfig, Tau),
    "convlstm": Architecture(ConvLSTMConfig, ConvLSTM),
}


def build(architecture: str, settings: Mapping[str, object]) -> nn.Module:
    """Return a new network of an architecture; what the settings leave out has its default.

    Raises ValueError naming an architecture or setting that is not known, with those that are, or a value that does not
    fit.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(_unknown("architecture", architecture, list(ARCHITECTURES)))
    config, net = ARCHITECTURES[architecture]
    known = [field.name for field in fields(config)]
    for name in settings:
        if name not in known:
            raise ValueError(_unknown(f"{architecture} setting", name, known))
    values: dict[str, Any] = dict(settings)
    return net(config(**values))  # type: ignore[arg-type]


def settings_of(net: nn.Module) -> tuple[str, dict[str, Any]]:
    """Return a network's architecture and settings, ready for JSON: `build(*settings_of(net))` is the same network.

    Raises ValueError for a module that is none of the architectures.
    """
    for name, architecture in ARCHITECTURES.items():
        if isinstance(net, architecture.net):
            settings = asdict(net.config)
            return name, {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
    raise ValueError(f"{type(net).__name__} is none of the architectures {', '.join(ARCHITECTURES)}.")


def _unknown(kind: str, name: str, known: list[str]) -> str:
    near = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {name!r}; {hint}known: {', '.join(known)}."
