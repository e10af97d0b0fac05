"""The verbs of `typhoon-tracker downscale`: finer fields from coarse ones, with their block means kept."""

from __future__ import annotations

import shlex
import sys
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from typhoon_tracker.console import call, progress
from typhoon_tracker.downscale.settings import CNN, CONSTRAINTS, NETWORKS, NONE, PRECISIONS, Settings, check
from typhoon_tracker.errors import InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__)

Data = Annotated[
    str, typer.Option(help="storm patches (netCDF), fields (netCDF, GRIB, Zarr), or a folder of .pt tensors")
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--variable", help="speed, u10, v10, z500 or what the fields hold; may be given several times"),
]
Factor = Annotated[int, typer.Option(help="how many fine points along a coarse cell: 2, 4, 8")]
AreaWeights = Annotated[bool, typer.Option("--area-weights", help="block means weighted by cos(latitude)")]
Size = Annotated[
    int | None, typer.Option(help="points along a side of the middle that is used; the whole grid if not given")
]
Steps = Annotated[int, typer.Option(min=1, help="steps of Adam; more than before trains on")]
BatchSize = Annotated[int, typer.Option(min=1, help="cases a step")]
LearningRate = Annotated[float, typer.Option(help="of Adam")]
Width = Annotated[int, typer.Option(min=1, help="channels of the network")]
Alpha = Annotated[float, typer.Option(help="weight of the block means in the soft constraint's loss")]
Precision = Annotated[str, typer.Option(help=", ".join(PRECISIONS))]
SplitSeed = Annotated[int, typer.Option(min=0, help="draws the storms of validation and test")]
SaveEvery = Annotated[int, typer.Option(min=1, help="steps between two validations, each with a checkpoint")]
Members = Annotated[int, typer.Option(help="draws of a GAN's noise")]
Json = Annotated[bool, typer.Option("--json", help="print JSON and nothing else")]


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="folder of the model, its checkpoints and logs")],
    network: Annotated[str, typer.Option(help=", ".join(NETWORKS))] = CNN,
    constraint: Annotated[str, typer.Option(help=", ".join(CONSTRAINTS))] = NONE,
    factor: Factor = 4,
    variable: Variables = None,
    frames: Annotated[
        int | None, typer.Option(help="frames of a case; 1, or 3 for convgru and flowconvgru, if not given")
    ] = None,
    size: Size = None,
    width: Width = 64,
    area_weights: AreaWeights = False,
    steps: Steps = 1000,
    batch_size: BatchSize = 64,
    learning_rate: LearningRate = 1e-3,
    alpha: Alpha = 0.99,
    adversarial: Annotated[float, typer.Option(help="weight of the discriminator in the GAN's loss")] = 1e-4,
    precision: Precision = "32-true",
    seed: Annotated[int, typer.Option(min=0, help="of the weights, the order of cases and the noise")] = 1,
    split_seed: SplitSeed = 0,
    save_every: SaveEvery = 50,
    devices: Annotated[str, typer.Option(help="Lightning's: a number, or auto")] = "auto",
    strategy: Annotated[str, typer.Option(help="Lightning's: auto, ddp, ...")] = "auto",
) -> None:
    """Train a downscaler and write the weights with the least validation error; the same command goes on."""
    settings = Settings(
        data=data, network=network, constraint=constraint, factor=factor, variables=tuple(variable or ()),
        frames=frames, size=size, width=width, area_weights=area_weights, steps=steps,
        batch_size=batch_size, learning_rate=learning_rate, alpha=alpha, adversarial=adversarial, precision=precision,
        seed=seed, split_seed=split_seed,
    )  # fmt: skip
    check(settings)
    from rich.console import Console

    from typhoon_tracker.downscale.fit import fit, open_for
    from typhoon_tracker.downscale.report import notes
    from typhoon_tracker.training.report import table
    from typhoon_tracker.training.trainer import Machine

    cases = open_for(settings)
    machine = Machine(out, every=save_every, devices=devices, strategy=strategy, command=_command())
    outcome = fit(settings, machine, cases=cases)
    if outcome is None:
        return
    speed = (
        f"{outcome.trained / outcome.seconds:.2g}" if outcome.trained else "nothing was left to train: raise --steps"
    )
    facts = {
        "steps": str(outcome.steps),
        "steps a second": speed,
        "best step": str(outcome.best_step),
        "validation error": f"{outcome.error:.4g} (mean square, in standard deviations)",
        "parameters": f"{outcome.parameters:,}",
        "seconds": f"{outcome.seconds:.1f}",
        "cases": ", ".join(f"{name} {count}" for name, count in cases.facts["cases"].items()),
        "model": f"{out} (the weights of step {outcome.best_step})",
    }
    console = Console()
    console.print(table(facts))
    for note in notes(cases.facts):
        console.print(note, highlight=False, soft_wrap=True)


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Option(help="a folder of `downscale train`, or bilinear, bicubic, bicubic+additive, ...")
    ],
    data: Annotated[str | None, typer.Option(help="other data than the model's; needed for an interpolation")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test")] = "test",
    factor: Factor = 4,
    variable: Variables = None,
    members: Members = 10,
    seed: Annotated[int, typer.Option(min=0, help="of the noise")] = 0,
    split_seed: SplitSeed = 0,
    size: Size = None,
    area_weights: AreaWeights = False,
    json: Json = False,
) -> None:
    """Score a downscaler over a split of its data; a trained model has its own factor, variables, areas and split."""
    from typhoon_tracker.downscale.evaluate import baseline, open_model
    from typhoon_tracker.downscale.evaluate import evaluate as score
    from typhoon_tracker.downscale.interpolation import is_interpolation

    if is_interpolation(model):
        if data is None:
            raise InputError(f"{model} knows no data; give --data.")
        from typhoon_tracker.downscale.data import open_cases

        cases = open_cases(
            data, variables=variable or (), factor=factor, split_seed=split_seed, area_weights=area_weights, size=size
        )
        refiner = baseline(model, cases)
    else:
        refiner, cases = open_model(model, data=data)
    with progress() as show:
        found = score(refiner, cases, split=split, members=members, seed=seed, progress=show)
    if json:
        print(dumps({**found.facts, "target_range": found.ranges, "scores": found.scores}, indent=1))
        return
    from rich.console import Console

    from typhoon_tracker.downscale.report import about, scores_table

    console = Console()
    console.print(scores_table(found))
    for line in about(found):
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def apply(
    fields: Annotated[str, typer.Argument(help="netCDF, GRIB or Zarr of coarse fields")],
    model: Annotated[str, typer.Option(help="a folder of `downscale train`, or a shipped downscaler")],
    out: Annotated[Path, typer.Option(help="netCDF file to write")],
    members: Annotated[int, typer.Option(help="draws of a GAN's noise, whose mean and spread are written")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="of the noise")] = 0,
) -> None:
    """Refine fields in a file, and say how well the fine ones keep the block means."""
    from typhoon_tracker.downscale.folder import find, load
    from typhoon_tracker.downscale.refine import refine
    from typhoon_tracker.downscale.variables import needed
    from typhoon_tracker.sources.files import open_files
    from typhoon_tracker.sources.netcdf import write_cds

    refiner = load(find(model))
    coarse = open_files(fields, variables=needed(refiner.variables))
    with progress() as show:
        refined = refine(coarse, refiner, members=members, seed=seed, progress=show)
    write_cds(refined.fields, out)
    sizes = refined.fields.sizes
    print(
        f"{out}: {sizes['time']} frames of {sizes['latitude']} x {sizes['longitude']}; {refined.fields.attrs['source']}"
    )
    print(
        "largest |block mean - coarse|: "
        + ", ".join(f"{name} {worst:.3g}" for name, worst in refined.violation.items())
    )
    for note in refined.notes:
        print(f"note: {note}")


@app.command()
def grid(
    data: Data,
    out: Annotated[Path, typer.Option(help="folder of the cells and of table.csv, table.md, runs.csv")],
    seeds: Annotated[int, typer.Option(min=1, help="runs of a cell, with the seeds 1, 2, ...")] = 3,
    steps: Steps = 320,
    cell: Annotated[list[str] | None, typer.Option(help="such as cnn-x4-softmax; all if not given")] = None,
    variable: Variables = None,
    size: Size = None,
    width: Width = 64,
    batch_size: BatchSize = 64,
    learning_rate: LearningRate = 1e-3,
    alpha: Alpha = 0.99,
    precision: Precision = "32-true",
    split_seed: SplitSeed = 0,
    save_every: SaveEvery = 40,
    members: Members = 10,
) -> None:
    """Repeat the experiments of the report with several seeds; the same command goes on where it was stopped.

    320 steps of 64 are the report's 20 epochs of 1024 cases.
    """
    settings = Settings(
        data=data, variables=tuple(variable or ()), size=size, steps=steps, width=width, batch_size=batch_size,
        learning_rate=learning_rate, alpha=alpha, precision=precision, split_seed=split_seed,
    )  # fmt: skip
    check(settings)
    from typhoon_tracker.downscale.grid import run
    from typhoon_tracker.downscale.grid_table import markdown

    with progress() as show:
        found = run(
            settings,
            out,
            seeds=range(1, seeds + 1),
            cells=cell or (),
            members=members,
            every=save_every,
            command=_command(),
            progress=show,
            said=lambda line: print(line, file=sys.stderr, flush=True),
        )
    print(markdown(found), end="")


@app.command()
def table(
    runs: Annotated[list[Path], typer.Argument(help="runs.csv of `downscale grid`, one or several")],
) -> None:
    """Print the table of grids that ran before, with the report's figures beside."""
    from typhoon_tracker.downscale.grid_table import markdown, read_runs
    from typhoon_tracker.downscale.grid_table import table as tabulate

    print(markdown(tabulate(read_runs(runs))), end="")


def _command() -> str:
    return f"{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}"


def main() -> None:
    call(app)


if __name__ == "__main__":
    main()
