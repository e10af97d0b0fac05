"""Train a forecaster: to 2021, chosen on 2022, 2023 never seen.

    python -m typhoon_tracker.training.train --out runs/small --steps 3000

Interrupted or killed, the same command goes on from the last checkpoint under `<out>/checkpoints`.
"""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typhoon_tracker.errors import InputError
from typhoon_tracker.training.settings import RECONSTRUCTION, parse_network, resolve

if TYPE_CHECKING:
    from typhoon_tracker.forecast.model import FieldModel
    from typhoon_tracker.training.fit import Outcome

USAGE_ERROR = 2
NETWORK, OBJECTIVE, DATA, RUN = "Network", "Objective and optimisation", "Data", "Run"


class Preset(StrEnum):
    """Settings of Met2Net's two-stage training."""

    PAPER = "paper"
    RELEASED = "released"


class Architecture(StrEnum):
    """What is trained."""

    MET2NET = "met2net"
    TAU = "tau"
    CONVLSTM = "convlstm"


class Target(StrEnum):
    """What the network says."""

    TENDENCY = "tendency"
    STATE = "state"


class Objective(StrEnum):
    """What is minimised."""

    END_TO_END = "end-to-end"
    TWO_STAGE = "two-stage"


class Schedule(StrEnum):
    """How the learning rate goes."""

    TRAPEZOID = "trapezoid"
    COSINE = "cosine"


class Precision(StrEnum):
    """Of the arithmetic; weights are kept in 32 bits."""

    FULL = "32-true"
    BFLOAT16 = "bf16-mixed"
    FLOAT16 = "16-mixed"


def train(
    out: Annotated[Path, typer.Option(help="folder of the model, its checkpoints and logs", rich_help_panel=RUN)],
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="Met2Net's two-stage training, in the size for ERA5, as in the paper (momentum 0.999, 50 epochs) or "
            "as released (200 epochs); other options override it",
            rich_help_panel=RUN,
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option("--from", help="fine-tune a model of models/ or of a folder", rich_help_panel=RUN),
    ] = None,
    architecture: Annotated[
        Architecture | None, typer.Option(help="met2net if not given", rich_help_panel=NETWORK)
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            help="setting of the network as NAME=VALUE, such as layers=4 or frames_out=6; may be given several times",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    target: Annotated[
        Target | None,
        typer.Option(help="the change since the last frame (if not given), or the fields", rich_help_panel=NETWORK),
    ] = None,
    objective: Annotated[
        Objective | None,
        typer.Option(
            help="the forecast's own error (if not given), or Met2Net's implicit two-stage training",
            rich_help_panel=OBJECTIVE,
        ),
    ] = None,
    momentum: Annotated[
        tuple[float, float] | None,
        typer.Option(help="of the two-stage copies: coders, translator; 0 0.9 if not given", rich_help_panel=OBJECTIVE),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="3000 if not given; more than before trains on", rich_help_panel=OBJECTIVE),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="length in passes over the windows, or over the cases of the reconstruction",
            rich_help_panel=OBJECTIVE,
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="windows a step and device, 8 if not given", rich_help_panel=OBJECTIVE)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="highest rate of Adam, 1e-3 if not given", rich_help_panel=OBJECTIVE)
    ] = None,
    schedule: Annotated[
        Schedule | None,
        typer.Option(
            help="warm-up, constant, linear fall over the last 30 % (if not given), or cosine to 1e-6",
            rich_help_panel=OBJECTIVE,
        ),
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(help="decay of the averaged weights, 0.99 if not given, 0 for none", rich_help_panel=OBJECTIVE),
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(help="largest norm of the gradient, 1 if not given, 0 for any", rich_help_panel=OBJECTIVE),
    ] = None,
    centre_weight: Annotated[
        float | None,
        typer.Option(
            help="of the distance between forecast and true storm centres in the loss, 0 if not given",
            rich_help_panel=OBJECTIVE,
        ),
    ] = None,
    leads_a_step: Annotated[
        int | None,
        typer.Option(
            min=1, help="leads drawn at random that a step learns from; all if not given", rich_help_panel=OBJECTIVE
        ),
    ] = None,
    rollout: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="rounds of a forecast that goes on from its own frames, of which a step learns one; 1 if not given",
            rich_help_panel=OBJECTIVE,
        ),
    ] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="bf16-mixed if not given", rich_help_panel=OBJECTIVE)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="1 if not given", rich_help_panel=OBJECTIVE)] = None,
    data: Annotated[
        str,
        typer.Option(help="'reconstruction', or a Zarr store, netCDF file or pattern of hours", rich_help_panel=DATA),
    ] = RECONSTRUCTION,
    crop: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="points along a side of the training windows, 0 for the whole region; if not given, 64 for the "
            "reconstruction and the whole grid for files",
            rich_help_panel=DATA,
        ),
    ] = None,
    validation_windows: Annotated[
        int | None, typer.Option(min=1, help="windows of 2022, 96 if not given", rich_help_panel=DATA)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="processes that read ahead on each device", rich_help_panel=DATA)
    ] = None,
    save_every: Annotated[
        int, typer.Option(min=1, help="steps between two validations, each with a checkpoint", rich_help_panel=RUN)
    ] = 100,
    devices: Annotated[str, typer.Option(help="Lightning's: a number, or auto", rich_help_panel=RUN)] = "auto",
    strategy: Annotated[str, typer.Option(help="Lightning's: auto, ddp, fsdp, ...", rich_help_panel=RUN)] = "auto",
) -> None:
    """Train a forecaster and write the weights with the least validation error, their config and logs to OUT.

    Storms or fields to 2021 train, 2022 chooses, 2023 is never seen. The same command goes on where it was stopped.
    """
    given: dict[str, Any] = {
        "architecture": architecture,
        "network": parse_network(network or []),
        "target": target,
        "objective": objective,
        "momentum": momentum,
        "steps": steps,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "ema": ema,
        "clip": clip,
        "centre_weight": centre_weight,
        "leads_a_step": leads_a_step,
        "rollout": rollout,
        "precision": precision,
        "seed": seed,
        "data": data,
        "crop": crop,
        "validation_windows": validation_windows,
        "workers": workers,
        "start_from": start_from,
    }
    given = {name: str(value) if isinstance(value, StrEnum) else value for name, value in given.items()}
    start, weights = _starting(start_from) if start_from else (None, None)
    settings = resolve(given, preset=preset, weights=weights)
    from typhoon_tracker.training.fit import fit
    from typhoon_tracker.training.trainer import Machine

    machine = Machine(out, every=save_every, devices=devices, strategy=strategy, command=_command())
    outcome = fit(settings, machine, start=start)
    if outcome is not None:
        _show(outcome, out)


def _starting(name: str) -> tuple[FieldModel, dict[str, Any]]:
    from typhoon_tracker.forecast.checkpoint import find, load
    from typhoon_tracker.nets.architectures import settings_of

    model, _ = load(find(name))
    architecture, settings = settings_of(model.net)
    return model, {"architecture": architecture, "network": settings, "target": model.target}


def _command() -> str:
    program = Path(sys.argv[0]).name
    name = "python -m typhoon_tracker.training.train" if program == Path(__file__).name else program
    return f"{name} {shlex.join(sys.argv[1:])}"


def _show(outcome: Outcome, out: Path) -> None:
    from rich.console import Console

    from typhoon_tracker.training.report import table

    speed = (
        f"{outcome.windows / outcome.seconds:.1f}" if outcome.windows else "nothing was left to train: raise --steps"
    )
    facts = {
        "steps": str(outcome.steps),
        "windows a second": speed,
        "best step": str(outcome.best_step),
        "validation error": f"{outcome.error:.4g}",
        "parameters": f"{outcome.parameters:,}",
        "seconds": f"{outcome.seconds:.1f}",
        "model": f"{out} (the weights of step {outcome.best_step})",
    }
    Console().print(table(facts))


def main() -> None:
    try:
        typer.run(train)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USAGE_ERROR)


if __name__ == "__main__":
    main()
