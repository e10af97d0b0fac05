"""The rule of one direction: nothing imports from above, nothing in a circle, and what needs no torch loads none."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from .commands import PROJECT

PACKAGE = PROJECT / "typhoon_tracker"
# From the top down; a part may import from its own layer and those below. A part is a file or a folder of the package.
LAYERS = (
    {"run", "cli"},
    {
        "cones",
        "downscaling",
        "evaluate_command",
        "explain_command",
        "fetch",
        "real_storms",
        "today",
        "tracking",
        "verify_command",
    },
    {"outputs", "season", "evaluation", "explanation", "hindcast", "console"},
    {"plot", "verify", "training", "downscale", "explain"},
    {"forecast", "tracker"},
    {"nets", "sources", "besttrack"},
    {"fields", "track", "track_files"},
    {"geo"},
    {"errors", "resources", "__init__"},
)
LEVEL = {part: -depth for depth, layer in enumerate(LAYERS) for part in layer}
TORCH_FREE = ("tracker", "verify", "besttrack", "plot", "track", "track_files")


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PROJECT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def part(module: str) -> str:
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


@cache
def imported(module: str) -> frozenset[str]:
    """The package's own modules that a module imports anywhere: at its top, in a function, or for its types."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively in line {node.lineno}"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (below & set(modules())) or {str(node.module)}
    return frozenset(found & set(modules()))


def test_every_part_has_its_layer() -> None:
    assert {part(module) for module in modules()} <= set(LEVEL)


@pytest.mark.parametrize("module", sorted(modules()))
def test_no_module_imports_from_above(module: str) -> None:
    above = [other for other in imported(module) if LEVEL[part(other)] > LEVEL[part(module)]]
    assert not above, f"{module} imports {above}"


def test_no_parts_import_each_other() -> None:
    """Within a layer too: if besttrack were to import sources, which imports besttrack, neither could be read alone."""
    needs: dict[str, set[str]] = {}
    for module in modules():
        needs.setdefault(part(module), set()).update(part(other) for other in imported(module))
    assert not circle({name: others - {name} for name, others in needs.items()})


def test_no_modules_import_each_other() -> None:
    assert not circle({module: set(imported(module)) for module in modules()})


def circle(needs: dict[str, set[str]]) -> list[str]:
    """Return names of which each needs the next, and the last the first; empty where there are none."""
    left = dict(needs)
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    if not left:
        return []
    path = [next(iter(left))]
    while len(set(path)) == len(path):
        path.append(next(iter(left[path[-1]] & set(left))))
    return path[path.index(path[-1]) :]


def test_a_circle_is_found() -> None:
    assert not circle({"a": {"b"}, "b": {"c"}, "c": set()})
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) in (["b", "c", "b"], ["c", "b", "c"])


def test_what_needs_no_torch_loads_without_it() -> None:
    wanted = [module for module in modules() if part(module) in TORCH_FREE]
    program = f"import sys, importlib; sys.modules['torch'] = None\nfor name in {wanted}: importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(wanted) > 20
