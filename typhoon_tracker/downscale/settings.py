"""What a downscaling is: the choices that its weights depend on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from typhoon_tracker.errors import InputError

NONE, SOFTMAX, ADDITIVE = "none", "softmax", "additive"
MULTIPLICATIVE, SCALED_ADDITIVE = "multiplicative", "scaled_additive"
HARD = (SOFTMAX, ADDITIVE, MULTIPLICATIVE, SCALED_ADDITIVE)  # layers, which conserve by construction
KINDS = (NONE, *HARD)
SOFT = "soft"  # a term of the loss, no layer
CONSTRAINTS = (*KINDS, SOFT)
BASELINES = ("bilinear", "bicubic")
CNN, GAN, CONVGRU, FLOWCONVGRU = "cnn", "gan", "convgru", "flowconvgru"
NETWORKS = (CNN, GAN, CONVGRU, FLOWCONVGRU)
RECURRENT = (CONVGRU, FLOWCONVGRU)
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")  # weights are kept in 32 bits
SEQUENCE = 3  # frames of the networks that look along time


@dataclass(frozen=True)
class Settings:
    """The choices that the weights depend on; without `variables` they are the data's own."""

    data: str
    network: str = CNN
    constraint: str = NONE
    factor: int = 4
    variables: tuple[str, ...] = ()
    frames: int | None = None  # None: 1, and 3 for the networks that look along time
    size: int | None = None  # points along a side of the middle that is used; None: the whole grid
    width: int = 64
    area_weights: bool = False
    steps: int = 1000
    batch_size: int = 64
    learning_rate: float = 1e-3
    alpha: float = 0.99  # of the soft constraint
    adversarial: float = 1e-4  # weight of the GAN's second loss
    precision: str = "32-true"
    seed: int = 1
    split_seed: int = 0

    ema: ClassVar[float] = 0.0  # the recipe has neither
    clip: ClassVar[float] = 0.0

    @property
    def length(self) -> int:
        """Frames of a case."""
        return self.frames or (SEQUENCE if self.network in RECURRENT else 1)


def check(settings: Settings) -> Settings:
    """Return the settings; raise InputError where they contradict one another."""
    one_of("network", settings.network, NETWORKS)
    one_of("constraint", settings.constraint, CONSTRAINTS)
    one_of("precision", settings.precision, PRECISIONS)
    if settings.network == FLOWCONVGRU and settings.length != SEQUENCE:
        raise InputError(f"flowconvgru makes 3 frames from 2, not {settings.length}; leave --frames out.")
    if settings.steps < 1 or settings.batch_size < 1 or settings.width < 1 or settings.length < 1:
        raise InputError("--steps, --batch-size, --width and --frames must be 1 at least.")
    if settings.size is not None and settings.size < settings.factor:
        raise InputError(f"--size {settings.size} holds no block of {settings.factor} points; give a multiple of it.")
    for name, value in (("alpha", settings.alpha), ("adversarial", settings.adversarial)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"--{name} {value} is outside 0 to 1.")
    if not (settings.learning_rate > 0.0 and math.isfinite(settings.learning_rate)):
        raise InputError(f"--learning-rate {settings.learning_rate} is not positive; give one such as 1e-3.")
    return settings


def one_of(what: str, name: str, known: Sequence[str]) -> None:
    """Raise InputError for a name that is not known, with those that are."""
    if name not in known:
        raise InputError(f"unknown {what} {name!r}; known: {', '.join(known)}.")
