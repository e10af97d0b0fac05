"""A season's best tracks, and the table of faults tried and survived: pytest tests/sources -m fault."""

from __future__ import annotations

import pytest

from typhoon_tracker.besttrack import shipped

ROWS = pytest.StashKey[dict[str, tuple[str, str, str]]]()  # by test: source, fault, what becomes of it


@pytest.fixture(scope="session")
def season():
    """JMA's best tracks of 2023."""
    table = shipped.load("wmo").table
    return table[table["season"] == 2023]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    rows = config.stash.setdefault(ROWS, {})
    for item in items:
        if mark := item.get_closest_marker("fault"):
            _, _, case = item.name.partition("[")
            source = {"test_refusals": "cds"}.get(item.path.stem, item.path.stem.removeprefix("test_"))
            what = " ".join(part for part in (mark.kwargs.get("what", ""), case.removesuffix("]")) if part)
            rows[item.nodeid] = source, what, mark.args[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.markexpr != "fault":
        return
    terminalreporter.section("faults tried and survived")
    rows = config.stash[ROWS]
    for report in [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]:
        if report.nodeid in rows:
            source, fault, outcome = rows[report.nodeid]
            terminalreporter.write_line(f"{source:7} {fault[:58]:58} {outcome if report.passed else 'NOT SURVIVED'}")
