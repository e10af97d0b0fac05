"""One training from its settings to a model folder: resumed where it was killed, chosen on its validation error."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch

from typhoon_tracker import __version__
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.checkpoint import save
from typhoon_tracker.forecast.model import FieldModel, Normalisation
from typhoon_tracker.nets import architectures
from typhoon_tracker.training import report
from typhoon_tracker.training.batches import Rounds, Source, open_source
from typhoon_tracker.training.checkpoints import BEST, LAST, Checkpoints, check_same, read
from typhoon_tracker.training.module import EndToEnd, Forecasting, ImplicitTwoStage
from typhoon_tracker.training.settings import TWO_STAGE, Settings
from typhoon_tracker.training.trainer import Machine, explained, make_trainer, quiet
from typhoon_tracker.training.two_stage import Momentum


@dataclass(frozen=True)
class Outcome:
    """What became of a training."""

    steps: int
    best_step: int
    error: float
    parameters: int
    windows: int  # trained on, this time
    seconds: float


def fit(settings: Settings, machine: Machine, *, start: FieldModel | None = None) -> Outcome | None:
    """Train, and write the best weights with their config to the folder; None in the other processes of several.

    Raises InputError for settings that fit no network or no data, for a loss that is no number, and for a full disk.
    """
    torch.manual_seed(settings.seed)
    net: Any = start.net if start is not None else _build(settings)
    settings = _complete(settings, net)
    source = _open(settings, net)
    checkpoints = Checkpoints(machine.out / "checkpoints")
    found = read(checkpoints.folder / LAST)
    done = 0 if found is None else int(found["global_step"])
    began = time.perf_counter()
    with quiet(), explained(checkpoints, machine):
        trainer = make_trainer(settings, machine, checkpoints, done=done)
        together = settings.batch_size * trainer.world_size
        steps = settings.steps or (settings.epochs or 1) * max(1, source.windows // together)
        record = json.loads(json.dumps({**asdict(settings), "windows": source.windows, "devices": trainer.world_size}))
        if found is not None:
            check_same(found, record, checkpoints.folder / LAST)
        normalisation = _normalisation(found, start, source, leads=net.config.frames_out)
        checkpoints.kept = {"settings": record, "normalisation": asdict(normalisation)}
        checkpoints.saved_step = done
        del found
        model = FieldModel(net, normalisation, target=settings.target)
        if done < steps:
            trainer.fit_loop.epoch_loop.max_steps = steps  # epochs count in steps once the devices are known
            rounds = Rounds(source, every=machine.every, steps=steps)
            resumed = checkpoints.folder / LAST if done else None
            trainer.fit(_module(settings, model, steps), datamodule=rounds, ckpt_path=resumed)
        if not trainer.is_global_zero:
            return None
        best = read(checkpoints.folder / BEST)
        if best is None:
            raise InputError(f"{checkpoints.folder} holds {LAST} without {BEST}; give another --out.")
        prefix = "model.net."
        net.load_state_dict({k.removeprefix(prefix): v for k, v in best["state_dict"].items() if k.startswith(prefix)})
        outcome = Outcome(
            steps=max(done, steps),
            best_step=best["training"]["step"],
            error=best["training"]["error"],
            parameters=sum(p.numel() for p in net.parameters()),
            windows=max(0, steps - done) * together,
            seconds=time.perf_counter() - began,
        )
        save(model, machine.out, variables=CORE, training=_facts(settings, machine, source, outcome, trainer))
        report.draw(
            report.learning_curve(machine.out / "logs"),
            machine.out / "learning-curve.png",
            title=f"{settings.architecture}, {settings.objective}",
            best_step=outcome.best_step,
        )
    return outcome


def _build(settings: Settings) -> Any:
    try:
        return architectures.build(settings.architecture, settings.network)
    except ValueError as error:
        raise InputError(f"these settings make no network: {error}") from error


def _complete(settings: Settings, net: Any) -> Settings:
    """The settings with those of the network that were left to their defaults."""
    if net.config.variables != len(CORE):
        raise InputError(
            f"the network takes {net.config.variables} variables; the data have {len(CORE)}: {', '.join(CORE)}."
        )
    return replace(settings, network=architectures.settings_of(net)[1])


def _open(settings: Settings, net: Any) -> Source:
    stride = net.config.stride
    if settings.crop is not None and settings.crop % stride:
        raise InputError(f"a crop of {settings.crop} points does not fit the network; give a multiple of {stride}.")
    source = open_source(settings, (net.config.frames_in, net.config.frames_out * settings.rollout))
    height, width = source.shape
    if height % stride or width % stride:
        raise InputError(
            f"the grid of {height} x {width} points does not fit the network: both must be multiples of {stride}; give "
            f"a --crop."
        )
    if settings.leads_a_step is not None and settings.leads_a_step > net.config.frames_out:
        raise InputError(
            f"--leads-a-step {settings.leads_a_step} is more than the network's {net.config.frames_out} leads; give so "
            f"many at most, or leave it out for all."
        )
    return source


def _normalisation(
    found: dict[str, Any] | None, start: FieldModel | None, source: Source, *, leads: int
) -> Normalisation:
    if found is not None:
        return Normalisation(**found["training"]["normalisation"])
    if start is not None:
        return start.normalisation
    from rich.console import Console

    with Console(stderr=True).status("statistics of the training windows"):
        statistics = source.statistics()
    statistics["tendency_std"] = statistics["tendency_std"][:leads]  # every round starts from its own last frame
    return Normalisation(**statistics)


def _module(settings: Settings, model: FieldModel, steps: int) -> Forecasting:
    common: dict[str, Any] = {
        "learning_rate": settings.learning_rate,
        "steps": steps,
        "schedule": settings.schedule,
        "seed": settings.seed,
    }
    if settings.objective == TWO_STAGE:
        assert settings.momentum is not None
        return ImplicitTwoStage(model, momentum=Momentum(*settings.momentum), **common)
    return EndToEnd(
        model,
        divergence=settings.architecture == "tau",
        centre_weight=settings.centre_weight,
        leads_a_step=settings.leads_a_step,
        rollout=settings.rollout,
        **common,
    )


def _facts(
    settings: Settings, machine: Machine, source: Source, outcome: Outcome, trainer: lightning.Trainer
) -> dict[str, Any]:
    """What the model's config says of its training."""
    chosen = asdict(settings)
    for name in ("architecture", "network", "target", "data", "steps", "epochs"):  # said elsewhere in the config
        del chosen[name]
    return {
        **source.facts,
        "windows": source.windows,
        **chosen,
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "validation_error": outcome.error,
        "parameters": outcome.parameters,
        "devices": f"{trainer.world_size} x {_device(trainer)}",
        "strategy": machine.strategy,
        "command": machine.command,
        "versions": {
            "typhoon_tracker": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "lightning": lightning.__version__,
            "numpy": np.__version__,
        },
        "trained_on": pd.Timestamp.now().date().isoformat(),
    }


def _device(trainer: lightning.Trainer) -> str:
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
