"""One training from its settings to a model folder: resumed where it was killed, chosen on its validation error."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import lightning
import pandas as pd
import torch

from typhoon_tracker import __version__
from typhoon_tracker.downscale.cases import Cases, TrainingCases
from typhoon_tracker.downscale.data import open_cases
from typhoon_tracker.downscale.folder import save
from typhoon_tracker.downscale.model import Downscaler, build, check_fits
from typhoon_tracker.downscale.module import Downscaling
from typhoon_tracker.downscale.settings import Settings, check
from typhoon_tracker.errors import InputError
from typhoon_tracker.training import report
from typhoon_tracker.training.batches import Rounds
from typhoon_tracker.training.checkpoints import BEST, LAST, Checkpoints, check_same, read
from typhoon_tracker.training.trainer import Machine, explained, make_trainer, quiet


@dataclass(frozen=True)
class Outcome:
    """What became of a training."""

    steps: int
    best_step: int
    error: float
    parameters: int
    trained: int  # steps, this time
    seconds: float


def open_for(settings: Settings) -> Cases:
    """Return the cases that the settings name."""
    return open_cases(
        settings.data,
        variables=settings.variables,
        factor=settings.factor,
        frames=settings.length,
        split_seed=settings.split_seed,
        area_weights=settings.area_weights,
        size=settings.size,
    )


def fit(settings: Settings, machine: Machine, *, cases: Cases | None = None) -> Outcome | None:
    """Train, and write the best weights with their config to the folder; None in the other processes of several.

    `cases` are those of the settings where they are open already. Raises InputError for settings that fit no network
    or no data, for a loss that is no number, and for a full disk.
    """
    check(settings)
    cases = open_for(settings) if cases is None else cases
    settings = replace(settings, variables=cases.variables, frames=settings.length)
    normalisation = cases.statistics()
    check_fits(settings.constraint, settings.network, cases.variables, normalisation)
    torch.manual_seed(settings.seed)
    shape = tuple(cases.coarse.shape[-2:])
    sizes = {"factor": settings.factor, "width": settings.width}
    net = build(settings.network, channels=len(cases.variables), coarse_shape=shape, **sizes)
    model = Downscaler(net, normalisation, constraint=settings.constraint)
    checkpoints = Checkpoints(machine.out / "checkpoints")
    found = read(checkpoints.folder / LAST)
    done = 0 if found is None else int(found["global_step"])
    began = time.perf_counter()
    with quiet(), explained(checkpoints, machine):
        trainer = make_trainer(settings, machine, checkpoints, done=done)  # type: ignore[arg-type]  # asks for no more
        record = json.loads(json.dumps({**asdict(settings), "devices": trainer.world_size}))
        if found is not None:
            check_same(found, record, checkpoints.folder / LAST)
        checkpoints.kept, checkpoints.saved_step = {"settings": record}, done
        del found
        if done < settings.steps:
            trainer.fit_loop.epoch_loop.max_steps = settings.steps
            source = TrainingCases(cases, batch_size=settings.batch_size, seed=settings.seed)
            rounds = Rounds(source, every=machine.every, steps=settings.steps)
            resumed = checkpoints.folder / LAST if done else None
            trainer.fit(Downscaling(model, settings), datamodule=rounds, ckpt_path=resumed)
        if not trainer.is_global_zero:
            return None
        best = read(checkpoints.folder / BEST)
        if best is None:
            raise InputError(f"{checkpoints.folder} holds {LAST} without {BEST}; give another --out.")
        prefix = "model.net."
        net.load_state_dict({k.removeprefix(prefix): v for k, v in best["state_dict"].items() if k.startswith(prefix)})
        outcome = Outcome(
            steps=max(done, settings.steps),
            best_step=best["training"]["step"],
            error=best["training"]["error"],
            parameters=sum(p.numel() for p in net.parameters()),
            trained=max(0, settings.steps - done),
            seconds=time.perf_counter() - began,
        )
        about = {
            "variables": list(cases.variables),
            "coarse_shape": list(shape),
            "training": _facts(settings, machine, cases, outcome, trainer),
        }
        save(model.cpu(), machine.out, network={"name": settings.network, **sizes}, about=about)
        report.draw(
            report.learning_curve(machine.out / "logs"),
            machine.out / "learning-curve.png",
            title=f"{settings.network} x{settings.factor}, {settings.constraint}",
            best_step=outcome.best_step,
        )
    return outcome


def _facts(
    settings: Settings, machine: Machine, cases: Cases, outcome: Outcome, trainer: lightning.Trainer
) -> dict[str, Any]:
    """What the model's config says of its training."""
    chosen = asdict(settings)
    for name in ("network", "constraint", "factor", "width", "variables"):  # said elsewhere in the config
        del chosen[name]
    return {
        **cases.facts,
        **chosen,
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "validation_error": outcome.error,
        "parameters": outcome.parameters,
        "devices": f"{trainer.world_size} x {trainer.strategy.root_device.type}",
        "command": machine.command,
        "versions": {
            "typhoon_tracker": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "lightning": lightning.__version__,
        },
        "trained_on": pd.Timestamp.now().date().isoformat(),
    }
