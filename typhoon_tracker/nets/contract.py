"""What every network keeps to: the sizes that say what it takes and gives, and the checks of settings and frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class NetConfig(Protocol):
    """Sizes that every network's settings have; it takes frames (B, frames_in, variables, H, W), H and W by stride."""

    @property
    def frames_in(self) -> int: ...
    @property
    def frames_out(self) -> int: ...
    @property
    def variables(self) -> int: ...
    @property
    def stride(self) -> int: ...


def check_frames(x: Tensor, config: NetConfig) -> None:
    """Raise ValueError where x is not (B, frames_in, variables, H, W) with H and W multiples of the stride."""
    if x.dim() != 5 or x.shape[1:3] != (config.frames_in, config.variables):
        raise ValueError(
            f"the network takes (samples, {config.frames_in} frames, {config.variables} variables, height, width); "
            f"got {tuple(x.shape)}."
        )
    h, w = x.shape[-2:]
    if h % config.stride or w % config.stride or not h or not w:
        raise ValueError(f"a grid of {h} x {w} points is no multiple of the stride {config.stride}; crop or pad it.")


def chosen(frames: Sequence[int] | None, config: NetConfig) -> list[int]:
    """Return the indices of the frames asked for, all of them by default; raise IndexError beyond frames_out."""
    every = list(range(config.frames_out))
    if frames is None:
        return every
    if beyond := [i for i in frames if not -len(every) <= i < len(every)]:
        raise IndexError(f"frame {beyond[0]} is asked for; the network forecasts {len(every)}.")
    return [every[i] for i in frames]


def is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check_sizes(config: object, *names: str) -> None:
    """Raise ValueError where one of the named settings is no whole number of 1 or more."""
    for name in names:
        if not is_size(getattr(config, name)):
            raise ValueError(f"{name} = {getattr(config, name)!r} must be a whole number of 1 or more.")


def check_switches(config: object, *names: str) -> None:
    """Raise ValueError where one of the named settings is neither true nor false."""
    for name in names:
        if not isinstance(getattr(config, name), bool):
            raise ValueError(f"{name} = {getattr(config, name)!r} must be true or false.")


def check_even(config: object, name: str) -> None:
    """Raise ValueError where the named setting is odd: the stages' GroupNorm has two groups."""
    if getattr(config, name) % 2:
        raise ValueError(f"{name} = {getattr(config, name)} must be even (GroupNorm of two groups).")


def check_drop_path(config: object) -> None:
    """Raise ValueError where drop_path is no probability below 1."""
    value = config.drop_path  # type: ignore[attr-defined]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(f"drop_path = {value!r} must lie in [0, 1).")


def set_sizes(config: object, name: str) -> None:
    """Make the named setting of a frozen dataclass a tuple; raise ValueError where it holds other than sizes."""
    value = getattr(config, name)
    if not isinstance(value, (tuple, list)) or not all(is_size(size) for size in value):
        raise ValueError(f"{name} = {value!r} must be a list of whole numbers of 1 or more.")
    object.__setattr__(config, name, tuple(value))
