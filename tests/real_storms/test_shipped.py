"""What ships of the real storms: the cases, and the weights of the fold that held out the storms of the notebook."""

from __future__ import annotations

from typhoon_tracker.forecast.checkpoint import load
from typhoon_tracker.real_storms import report
from typhoon_tracker.resources import shipped

FOLDER = shipped("models", "met2net-storms-2016")


def test_the_shipped_cases_say_what_the_card_says():
    errors = report.of_storms(report.read_cases(FOLDER / "cases.csv.xz"))
    card = (FOLDER / "CARD.md").read_text()
    for lead, rows in report.scores(errors).items():
        for method, row in rows.items():
            said = f"{row['mean']:.0f} [{row['low']:.0f}, {row['high']:.0f}]"
            line = next(line for line in card.splitlines() if line.startswith(f"| {method} |"))
            assert said in line, (lead, method)


def test_the_command_says_what_the_card_says_of_the_other_network(capsys):
    assert report.main([str(FOLDER / "cases.csv.xz")]) == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    card = (FOLDER / "CARD.md").read_text()
    for lead in ("6h", "12h", "18h", "24h"):
        *_, km, span, p = next(row for row in printed if row[:1] == [lead] and len(row) == 5)
        assert f"| {lead[:-1]} h | {km} [{span.replace('..', ', ')}] | {p} |" in card


def test_a_run_without_the_other_network_is_not_compared_with_it():
    errors = report.read_cases(FOLDER / "cases.csv.xz")
    assert report.against_tau(errors[~errors["method"].str.startswith("tau")]) is None


def test_the_shipped_weights_have_not_seen_the_storms_they_are_shown_on():
    model, config = load(FOLDER)
    seen = {*config["training"]["storms"], *config["training"]["validation_storms"]}
    assert len(seen) == 20
    assert not seen & {"LIONROCK", "MERANTI"}
    assert model.net.config.frames_out == 4
