"""The experiments of the course report that this package repeats, with the figures it gives, and a few beside them.

They are those of its tables 6 and 7 and of its last page, on total column water at 0.25 degrees, 20 epochs, one run
each; the softmax of cnn-x2 had no constraint layer in it, and the soft constraint of the GAN never reached its loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from typhoon_tracker.downscale.settings import ADDITIVE, CNN, CONVGRU, FLOWCONVGRU, GAN, NONE, SEQUENCE, SOFT, SOFTMAX

ARTEFACT = "artefact: mixed units between frames"


@dataclass(frozen=True)
class Experiment:
    """One row: a network, a factor and a constraint, with the report's own figures; NaN where it has none."""

    network: str
    factor: int
    constraint: str
    mse: float = math.nan
    psnr: float = math.nan
    ssim: float = math.nan
    negatives: float = math.nan
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.network}-x{self.factor}-{self.constraint}"

    @property
    def frames(self) -> int:
        """Frames of a case: the report looked along time with voxel flow alone."""
        return SEQUENCE if self.network == FLOWCONVGRU else 1


REPORTED = (
    Experiment(CNN, 2, NONE, 0.0678, 51.7782, 0.9966, 37),
    Experiment(CNN, 2, SOFTMAX, 0.1639, 47.9449, 0.9928, 59, "had no constraint layer"),
    Experiment(CNN, 4, NONE, 0.9589, 40.2736, 0.9712, 0),
    Experiment(CNN, 4, SOFTMAX, 0.1817, 47.4989, 0.9909, 0),
    Experiment(CONVGRU, 4, NONE, 0.9637, 40.2519, 0.9745, 64),
    Experiment(CONVGRU, 4, SOFTMAX, 0.2041, 46.9928, 0.9897, 0),
    Experiment(CONVGRU, 4, SOFT, 1.1219, 39.5919, 0.9724, 23, "soft was probably inactive"),
    Experiment(GAN, 4, NONE, 1.4214, 38.5644, 0.9426, 1),
    Experiment(GAN, 4, SOFT, 0.9375, 40.3716, 0.9634, 0, "soft never reached the loss"),
    Experiment(GAN, 4, SOFTMAX, 0.2002, 47.0773, 0.9896, 0),
    Experiment(GAN, 4, ADDITIVE, 0.1776, 47.60, 0.9909, 13),
    Experiment(GAN, 8, NONE, 2.9574, 35.3824, 0.9207, 6071),
    Experiment(GAN, 8, SOFTMAX, 1.5100, 38.3016, 0.9434, 0),
    Experiment(FLOWCONVGRU, 4, NONE, 476.15, 13.201, 0.181, 1_057_907, ARTEFACT),
    Experiment(FLOWCONVGRU, 4, SOFTMAX, 0.6842, 41.6272, 0.9783, 0, ARTEFACT),
)

# What the report left out: the additive layer for every network without noise, and x8 without one.
ADDED = (
    Experiment(CNN, 2, ADDITIVE),
    Experiment(CNN, 4, ADDITIVE),
    Experiment(CNN, 8, NONE),
    Experiment(CNN, 8, SOFTMAX),
    Experiment(CNN, 8, ADDITIVE),
    Experiment(GAN, 8, ADDITIVE),
)
EXPERIMENTS = (*REPORTED, *ADDED)
