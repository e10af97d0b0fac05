"""What a run leaves behind: tables, decks, the map and the summary, in one folder, all or none of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.hindcast import Hindcast
from typhoon_tracker.verify.report import as_json, one_forecast, table
from typhoon_tracker.verify.statistics import summary

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console

    from typhoon_tracker.downscale.along_track import Refined
    from typhoon_tracker.forecast.base import Forecaster
    from typhoon_tracker.verify.cone import Cone

TECHNIQUE = "M2NT"
WIDEST = 200  # letters of a line under the map
FILES = (
    "adeck.dat", "downscaled.csv", "downscaled.png", "edeck.dat", "errors.csv", "map.png", "map.svg", "summary.json",
    "track.csv", "track.geojson",
)  # fmt: skip
SHOWN = ("model", "adjusted", "consensus", "persistence", "cliper", "analysis")  # methods of the summary, in this order


def summarise(hindcast: Hindcast, *, lead_hours: int) -> dict[str, Any]:
    """Return the summary of a run as plain data: who, what, how many, and the errors in km by method."""
    storm = hindcast.analysis.storm
    lead = pd.Timedelta(hours=lead_hours)
    expected = hindcast.expected[hindcast.expected["lead_time"] == lead]
    errors = hindcast.errors[hindcast.errors["lead_time"] == lead]
    model = errors[errors["method"] == "model"]
    reasons = expected.loc[~expected["scored"], "reason"].value_counts()
    to_analysis = model["analysis_km"].dropna()
    return {
        "storm": storm.name or storm.sid,
        "season": storm.season,
        "sid": storm.sid,
        "agency": storm.agency,
        "best_track": storm.source,
        "fields": hindcast.analysis.fields.attrs["source"],
        "model": hindcast.model,
        "independent": hindcast.independent,
        "region": str(PAPER_REGION),
        "lead_hours": lead_hours,
        "n_forecasts": len(expected),
        "n_scored": int(expected["scored"].sum()),
        "n_lost": int(model["error_km"].isna().sum()),
        "n_interpolated_truth": int(model["interpolated"].sum()),
        "not_scored": {str(reason): int(n) for reason, n in reasons.items()},
        "error_km": as_json(summary(errors[errors["method"].isin(SHOWN)])) if len(model) else {},
        "model_to_analysis_km": round(float(to_analysis.mean()), 1) if len(to_analysis) else None,
        "seconds": {stage: round(seconds, 2) for stage, seconds in hindcast.seconds.items()},
    }


def fitting_cone(forecaster: Forecaster, fields: xr.Dataset) -> Cone | None:
    """Return the error cone in a model's folder if it was fitted on fields of the same source, else None."""
    from typhoon_tracker.verify.cone import of_model

    cone = None if forecaster.folder is None else of_model(forecaster.folder)
    return cone if cone is not None and fields.attrs["source"].startswith(cone.fields) else None


def write(
    hindcast: Hindcast,
    facts: dict[str, Any],
    folder: Path,
    *,
    lead_hours: int,
    atcf_number: int,
    title: str,
    whole: bool,
    began: float,
    cone: Cone | None = None,
    refined: Refined | None = None,
) -> None:
    """Write every output of a run into `folder`; `whole` tracks keep every lead. Completes `facts` with the total time.

    With an error cone, its radii stand beside the fixes of `whole` tracks, on their map and in the e-deck.
    What was `refined` gets its own table and picture.

    The files of an earlier run are replaced, other files stay. Raises InputError where the folder cannot be written.
    """
    from typhoon_tracker.besttrack.atcf import write_adeck
    from typhoon_tracker.besttrack.edeck import write_edeck
    from typhoon_tracker.plot.track_map import draw, save
    from typhoon_tracker.track_files import write_csv, write_geojson
    from typhoon_tracker.verify.cone_area import areas

    lead = pd.Timedelta(hours=lead_hours)
    forecasts = hindcast.fixes if whole else hindcast.lead_track(lead_hours)
    errors = hindcast.errors if whole else hindcast.errors[hindcast.errors["lead_time"] == lead]
    shapes = {}
    if cone is not None and whole and len(forecasts):
        forecasts, shapes = cone.with_radii(forecasts), areas(cone, forecasts)
    with _together(folder) as partial:
        write_csv(forecasts, partial / "track.csv")
        write_geojson(forecasts.dropna(subset=["lat"]), partial / "track.geojson")
        write_adeck(hindcast.fixes, partial / "adeck.dat", basin="WP", number=atcf_number, technique=TECHNIQUE)
        if cone is not None:
            probable = cone.probabilities(hindcast.fixes)
            write_edeck(probable, partial / "edeck.dat", basin="WP", number=atcf_number, technique=TECHNIQUE)
        hours = errors["lead_time"].dt.total_seconds() / 3600
        written = errors.assign(lead_hours=hours).drop(columns="lead_time")
        written.to_csv(partial / "errors.csv", index=False, float_format="%.4f")
        figure = draw(
            hindcast.analysis.storm.track,
            forecasts,
            errors[errors["method"].isin(SHOWN)],
            title=title,
            subtitle=provenance(facts),
            region=PAPER_REGION,
            lead_hours=None if whole else lead_hours,
            cone=shapes,
        )
        save(figure, partial / "map")
        if refined is not None:
            refined.write(partial)
        facts["seconds"]["total"] = round(time.perf_counter() - began, 2)
        (partial / "summary.json").write_text(json.dumps(facts, indent=1) + "\n")


def show(
    console: Console, hindcast: Hindcast, facts: dict[str, Any], folder: Path, *, cone: Cone | None = None
) -> None:
    """Print the table of errors, how many forecasts stand behind it, where they come from, and where the files are."""
    title = f"Track errors of {hindcast.analysis.storm}"
    errors = hindcast.errors
    single = len(errors) > 0 and (errors["init_time"] == errors["init_time"].iloc[0]).all()
    if single:
        console.print(one_forecast(errors[errors["method"].isin(SHOWN)], title=title, cone=cone))
    else:
        console.print(table(summary(errors), title=title))

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    counts = [f"{facts['n_forecasts']} forecasts", f"{facts['n_scored']} scored at {facts['lead_hours']} h"]
    counts += [f"{n} not ({reason})" for reason, n in facts["not_scored"].items()]
    say(", ".join(counts) + f"; the model lost the storm in {facts['n_lost']}.")
    if not facts["independent"]:
        say(f"{facts['model']} has seen the season {facts['season']} in training: these errors are no test of it.")
    if facts["n_interpolated_truth"]:
        say(f"The truth is interpolated between six-hourly fixes in {facts['n_interpolated_truth']} cases.")
    if facts["model_to_analysis_km"] is not None:
        say(f"From the model's fix to the tracker's own analysed fix: {facts['model_to_analysis_km']} km mean.")
    for key, name in (("fields", "fields"), ("model", "model"), ("truth", "best_track")):
        say(f"{key:<8}{facts[name]}")
    if cone is not None:
        say(f"cone    {_levels(cone)} of {cone.model}'s errors in {cone.season}, {min(cone.n)} or more a lead")
    say(f"files   {folder}/: {', '.join(name for name in FILES if (folder / name).exists())}")
    if hindcast.analysis.note:
        say(hindcast.analysis.note)


def _levels(cone: Cone) -> str:
    return " and ".join(f"{100 * level:g} %" for level in cone.levels)


def provenance(facts: dict[str, Any]) -> str:
    """Say in two lines where the numbers come from."""
    counts = f"{facts['n_forecasts']} forecasts, {facts['n_scored']} scored, {facts['n_lost']} lost"
    lines = (f"fields: {facts['fields']}; model: {facts['model']}; {counts}", f"truth: {facts['best_track']}")
    return "\n".join(textwrap.shorten(line, WIDEST, placeholder=" ...") for line in lines)


def check_folder(folder: Path) -> None:
    """Raise InputError where the outputs could not be written into `folder`: better before the work than after it."""
    standing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not standing.is_dir():
        raise _unwritable(folder, f"{standing} is no folder")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise _unwritable(folder, f"writing in {standing} is not permitted")
    for name in FILES:
        if (folder / name).is_dir():
            raise _unwritable(folder, f"its {name} is a folder")


def _unwritable(folder: Path, reason: str) -> InputError:
    return InputError(f"the outputs cannot be written to {folder}: {reason}. Choose another folder with --out.")


@contextmanager
def _together(folder: Path) -> Iterator[Path]:
    """Give a folder to fill; when the block ends well its files take their places in `folder`, else all vanishes.

    What else lies in `folder` stays. The partial folder is inside, where a rename cannot cross file systems.
    """
    check_folder(folder)
    partial = folder / f".{os.getpid()}.partial"
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        partial.mkdir(parents=True)
        yield partial
        with _uninterrupted():
            made_now = {path.name for path in partial.iterdir()}
            for name in made_now:
                os.replace(partial / name, folder / name)
            for name in set(FILES) - made_now:  # an earlier run's, such as the deck of a cone that is no longer there
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):  # the first that holds something, and all above it, stay
            for path in made:
                path.rmdir()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C pass unheeded, so that renaming the files of a run cannot stop half-way."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C never reaches other threads
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
