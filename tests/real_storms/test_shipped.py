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


def test_the_shipped_weights_have_not_seen_the_storms_they_are_shown_on():
    model, config = load(FOLDER)
    seen = {*config["training"]["storms"], *config["training"]["validation_storms"]}
    assert len(seen) == 20
    assert not seen & {"LIONROCK", "MERANTI"}
    assert model.net.config.frames_out == 4
