"""Bilinear and bicubic interpolation as downscalers: what a trained one must be better than."""

from __future__ import annotations

from collections.abc import Sequence

from typhoon_tracker.downscale.folder import Refiner
from typhoon_tracker.downscale.model import Downscaler, Normalisation, build
from typhoon_tracker.downscale.settings import ADDITIVE, BASELINES, NONE, one_of


def interpolation(name: str, variables: Sequence[str], *, factor: int, normalisation: Normalisation) -> Refiner:
    """Return bilinear or bicubic interpolation, with +additive followed by that layer; InputError for another name.

    Interpolation does not depend on the units, but in float32 it rounds: about the mean it does so least.
    """
    mode, _, layer = name.partition("+")
    one_of("baseline", mode, BASELINES)
    one_of("layer of a baseline", layer or NONE, (NONE, ADDITIVE))
    net = build(mode, channels=len(variables), factor=factor, width=1, coarse_shape=())
    model = Downscaler(net, normalisation, constraint=layer or NONE)
    return Refiner(name, model.eval(), factor, tuple(variables), {})


def is_interpolation(name: str) -> bool:
    """Tell whether a name is that of an interpolation, and no folder's."""
    return name.partition("+")[0] in BASELINES
