"""The files of a run appear together or not at all, and nobody else's are touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from typhoon_tracker import outputs, track_files
from typhoon_tracker.errors import InputError

from .commands import PROJECT, ROKE, run

PERSISTENCE = (*ROKE, "--model", "persistence", "--json")
INTERRUPTED_AT = """
import importlib, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
place, name = sys.argv.pop(1).split(":")
module = importlib.import_module(place)
original = getattr(module, name)
def interrupted(*arguments, **options):
    os.kill(os.getpid(), signal.SIGINT)
    return original(*arguments, **options)
setattr(module, name, interrupted)
from typhoon_tracker.run import main
main()
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def interrupt(place: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that gets Ctrl-C when it calls `place`."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    argv = [sys.executable, "-c", INTERRUPTED_AT, place, *PERSISTENCE, "--out", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=120)


# The maps are not drawn here, persistence has no cone, and nothing is refined.
NOT_MADE = {"map.png", "map.svg", "edeck.dat", "downscaled.csv", "downscaled.png"}


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder with the results of an earlier run, and a file of the user's."""
    folder = tmp_path / "results"
    folder.mkdir()
    for name in (*outputs.FILES, "notes.txt"):
        (folder / name).write_text(f"the earlier {name}")
    return folder


@pytest.mark.parametrize(
    "place",
    [
        "typhoon_tracker.sources.reconstruction:reconstruct",
        "typhoon_tracker.track_files:write_geojson",
    ],
)
def test_ctrl_c_leaves_what_was_there(place: str, earlier: Path) -> None:
    before = files(earlier.parent)
    stopped = interrupt(place, earlier)
    assert stopped.returncode == 130, stopped.stderr
    assert stopped.stdout == ""
    assert "interrupted" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert files(earlier.parent) == before


def test_ctrl_c_leaves_no_folder_where_there_was_none(tmp_path: Path) -> None:
    stopped = interrupt("typhoon_tracker.plot.track_map:draw", tmp_path / "deep/er")
    assert stopped.returncode == 130, stopped.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_map")
def test_ctrl_c_between_two_renames_comes_too_late(earlier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New and old files never lie side by side."""
    replace, publishing = os.replace, []

    def interrupted(source: Path, target: Path) -> None:
        if target.parent == earlier:
            publishing.append(target.name)
            os.kill(os.getpid(), signal.SIGINT)
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    assert run(*PERSISTENCE, "--out", earlier).code == 0
    assert set(publishing) == set(outputs.FILES) - NOT_MADE
    assert all(b"earlier" not in (earlier / name).read_bytes() for name in publishing)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("no_map")
def test_other_files_stay_and_earlier_ones_are_replaced(earlier: Path) -> None:
    outcome = run(*PERSISTENCE[:-1], "--out", earlier)
    assert outcome.code == 0, outcome.err
    assert (earlier / "notes.txt").read_text() == "the earlier notes.txt"
    assert "earlier" not in (earlier / "summary.json").read_text()
    assert "notes.txt" not in outcome.out
    assert {path.name for path in earlier.iterdir()} == {*outputs.FILES, "notes.txt"} - NOT_MADE


@pytest.mark.usefixtures("no_map")
def test_the_current_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*PERSISTENCE, "--out", ".").code == 0
    assert (tmp_path / "summary.json").is_file()


@pytest.mark.parametrize("new", [False, True])
def test_a_failure_while_writing_leaves_what_was_there(
    new: bool, earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(track_files, "write_geojson", full)
    before = files(tmp_path)
    outcome = run(*PERSISTENCE, "--out", tmp_path / "deep/er" if new else earlier)
    assert (outcome.code, outcome.out) == (2, "")
    assert "No space left on device" in outcome.err
    assert files(tmp_path) == before
    assert not (tmp_path / "deep").exists()


def test_a_file_in_the_way_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file/below/it"):
        with pytest.raises(InputError, match=r"cannot be written to .*file is no folder.*--out"):
            outputs.check_folder(folder)
    (tmp_path / "results/map.png").mkdir(parents=True)
    with pytest.raises(InputError, match=r"its map\.png is a folder"):
        outputs.check_folder(tmp_path / "results")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="nowhere is no folder"):
        outputs.check_folder(tmp_path / "nowhere")
    outputs.check_folder(tmp_path / "new/folder")
    assert not (tmp_path / "new").exists()
