"""The verbs, what they print, and how fast they answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import typer

from typhoon_tracker import console
from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.files import open_files

from .commands import PROJECT, command, run, tracker

HEAVY = ("torch", "numpy", "pandas", "xarray", "matplotlib", "cartopy", "scipy")


def python(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment)


@pytest.mark.parametrize("module", ["typhoon_tracker.run", "typhoon_tracker.cli"])
def test_help_comes_at_once(module: str, tmp_path: Path) -> None:
    """In processor time, because others may be using the machine."""
    before = os.times()
    shown = python("-m", module, "--help", cwd=tmp_path)
    after = os.times()
    assert shown.returncode == 0, shown.stderr
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.5
    assert "--storm" in shown.stdout or "reconstruct" in shown.stdout


@pytest.mark.parametrize("module", ["typhoon_tracker.run", "typhoon_tracker.cli"])
def test_importing_a_command_loads_nothing_heavy(module: str) -> None:
    done = python("-c", f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))")
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


def test_every_option_of_the_main_job_is_explained() -> None:
    shown = run("--help")
    assert shown.code == 0
    for option in ("storm", "lead", "season", "agency", "fields", "model", "init", "out", "json"):
        assert f"--{option}" in shown.out


@pytest.mark.parametrize("verb", ["run", "fetch", "reconstruct", "verify", "assess"])
def test_every_verb_has_help(verb: str) -> None:
    assert verb in tracker("--help").out
    assert tracker(verb, "--help").code == 0


@pytest.mark.parametrize(("arguments", "nearest"), [(("verfy",), "verify"), (("run", "--stom", "MAWAR"), "--storm")])
def test_what_is_unknown_is_refused_with_the_nearest_name(arguments: tuple[str, ...], nearest: str) -> None:
    outcome = tracker(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert nearest in outcome.err
    assert "Traceback" not in outcome.err


def test_reconstructed_fields_are_written_and_named(cds_file: Path) -> None:
    fields = open_files(cds_file)
    assert fields.attrs["source"].startswith("reconstruction")
    assert (fields.indexes["time"].to_series().diff().dropna() == pd.Timedelta(hours=1)).all()


def test_reconstruct_says_why_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = tracker("reconstruct", "--storm", "SONCA", "--season", "2022", "--out", tmp_path / "file/sonca.nc")
    assert (outcome.code, outcome.out) == (2, "")
    assert "sonca.nc cannot be written" in outcome.err


@pytest.mark.parametrize(("text", "hours"), [("3h", 3), ("3", 3), (" 12H ", 12), ("6.0h", 6)])
def test_leads_are_read(text: str, hours: int) -> None:
    assert console.hours(text) == hours


@pytest.mark.parametrize("text", ["1.5h", "0", "0h", "-3h", "h", "", "three", "nan", "inf", "1e400", "3m", "3h3h"])
def test_leads_that_are_no_whole_hours_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"lead .* is not a positive multiple of the hourly step"):
        console.hours(text)


@pytest.mark.parametrize(
    "text", ["2023-05-27T00", "2023-05-27", "20230527", "2023-05-27 00:00Z", "2023-05-27T09:00+09:00"]
)
def test_times_are_read_in_utc(text: str) -> None:
    assert list(console.times(text)) == [pd.Timestamp("2023-05-27")]


@pytest.mark.parametrize("text", ["", "soon", "2023-13-01", "0001-01-01", "NaT", "5"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a time; give one such as"):
        console.times(text)


def test_exit_codes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    @app.command()
    def job(fault: str) -> None:
        if fault == "input":
            raise InputError("the sky is green; look again.")
        if fault == "interrupt":
            raise KeyboardInterrupt

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(console.os, "_exit", leave)
    assert command(app, "none").code == 0
    wrong = command(app, "input")
    assert (wrong.code, wrong.out, wrong.err) == (2, "", "error: the sky is green; look again.\n")
    stopped = command(app, "interrupt")
    assert stopped.code == 130
    assert stopped.err.strip() == "interrupted; nothing was half-written"


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress() as show:
        show("fields", 1, 2)
        show("fields", 2, 2)
    assert capsys.readouterr() == ("", "")
