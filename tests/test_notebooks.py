"""Every notebook runs from top to bottom without a network, and what is kept of its outputs is small and clean."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType

import pytest

from .commands import PROJECT

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FOLDER = PROJECT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
LARGEST = 300_000  # bytes
MACHINE = re.compile(r"/(home|root|work|tmp|usr|opt|Users|mnt|var)/|\\Users\\|site-packages|ipykernel_\d")
NO_NETWORK = """
import socket

def refuse(*arguments, **options):
    raise OSError("a notebook reached for the network")

socket.create_connection = socket.getaddrinfo = refuse
"""


def execute_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebooks_execute", FOLDER / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(notebook: object) -> list[str]:
    """All text that the outputs hold."""
    found = []
    for cell in notebook.cells:  # type: ignore[attr-defined]
        for output in cell.get("outputs", []):
            found.append(output.get("text", ""))
            found += [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    return found


def check_outputs(notebook: object) -> None:
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]  # type: ignore[attr-defined]
    assert any("image/png" in out.get("data", {}) for out in outputs)
    assert not [out for out in outputs if out["output_type"] == "error" or out.get("name") == "stderr"]
    assert not [text for text in texts(notebook) if MACHINE.search(text)]
    assert any("reconstruction" in text for text in [*texts(notebook), *sources(notebook)])


def sources(notebook: object) -> list[str]:
    return [cell.source for cell in notebook.cells]  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_what_is_kept_is_executed_small_and_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < LARGEST
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    check_outputs(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another folder, without a network, in a kernel of its own."""
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(tmp_path), str(PROJECT), *([inherited] if inherited else [])])
    )
    notebook = execute_module().execute(copy)
    check_outputs(notebook)
    assert copy.read_bytes() == path.read_bytes()
    assert {item.name for item in tmp_path.iterdir()} <= {path.name, "sitecustomize.py", "__pycache__"}


def test_the_notebooks_are_there() -> None:
    assert [name[:2] for name in NAMES] == ["1-", "2-", "3-", "4-", "5-"]
