"""A wheel carries the best tracks, the coast and the weights, and finds them where it is unpacked."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .commands import PROJECT

FIND = """
from typhoon_tracker.besttrack.storms import find
from typhoon_tracker.geo.land import coastline
from typhoon_tracker.geo.grid import PAPER_REGION
import typhoon_tracker
storm = find("mawar", season=2023)
print(typhoon_tracker.__file__, storm.sid, storm.name, len(storm.track))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    how = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(folder))
    command = [sys.executable, "-m", "pip", "wheel", *how, str(PROJECT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def found_from(place: Path, cwd: Path) -> str:
    """Look a storm up in a fresh interpreter that imports from `place`."""
    program = f"import sys; sys.path.insert(0, {str(place)!r})\n{FIND}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_holds_the_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    wanted = ["tracks/best/wmo.csv.xz", "tracks/best/jtwc.csv.xz", "tracks/best/names.csv"]
    for model in (PROJECT / "models").glob("*/config.json"):
        wanted += [f"models/{model.parent.name}/{name}" for name in ("config.json", "weights.safetensors")]
    assert {f"typhoon_tracker/_data/{name}" for name in wanted} <= set(names)
    assert "typhoon_tracker/geo/coast.wkb.xz" in names
    assert [name for name in names if fnmatch.fnmatch(name, "typhoon_tracker/**/*.py")]
    assert not [name for name in names if name.startswith(("tests/", "runs/")) or "__pycache__" in name]


def test_a_wheel_finds_its_storms(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(place)
    where, sid, name, _ = found_from(place, tmp_path).split()
    assert Path(where).is_relative_to(place)
    assert (sid, name) == ("2023138N05151", "MAWAR")


def test_a_checkout_finds_the_same(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(place)
    assert found_from(PROJECT, tmp_path).split()[1:] == found_from(place, tmp_path).split()[1:]
