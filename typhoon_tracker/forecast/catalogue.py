"""Forecasters by name."""

from __future__ import annotations

from typhoon_tracker.forecast.base import Forecaster


def forecaster(name: str, *, precision: str = "fp32") -> Forecaster:
    """Return persistence, a shipped model by its name, or the model of a folder, in a precision (see NeuralForecaster).

    Raises InputError for a name that is neither, and for weights that cannot be used.
    """
    if name == "persistence":
        from typhoon_tracker.forecast.persistence import Persistence

        return Persistence()
    from typhoon_tracker.forecast.checkpoint import find
    from typhoon_tracker.forecast.neural import NeuralForecaster

    return NeuralForecaster(find(name), precision=precision)
