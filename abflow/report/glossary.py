"""The words of the page, for readers who do not test for a living."""

from __future__ import annotations

from abflow.analysis.readout import Readout
from abflow.report.notation import correction, coverage
from abflow.spec.experiment import ExperimentSpec


def glossary(spec: ExperimentSpec, readout: Readout | None) -> dict[str, str]:
    """Each word with its meaning, in the order in which a reader meets them; only words that the page uses."""
    return {
        **_answers(spec),
        **_sizes(spec),
        **_evidence(spec),
        **(_beyond(readout) if readout else {}),
        "units, immature": (
            f"One unit is one {spec.unit}. It is immature while its outcome window is not over, and is then left out."
        ),
        "crossed": "A unit that was seen in more than one variant.",
        "control": "The variant that the others are compared with.",
    }


def _answers(spec: ExperimentSpec) -> dict[str, str]:
    return {
        "better, worse": f"The metric moved in the good (or bad) direction{_shown_by(spec)}.",
        "unclear": "The data do not settle the question. This is not evidence that nothing changed.",
        "safe, harmed": (
            "For a guardrail: a loss larger than its margin is ruled out (safe), or shown (harmed). A "
            "guardrail can be a little worse than control and still be safe."
        ),
        "primary, guardrail, secondary": "What decides; what must not be hurt; what is only watched.",
        "exploratory": "Not part of the plan, and possibly chosen after the data were seen: a hint for another test.",
    }


def _shown_by(spec: ExperimentSpec) -> str:
    if spec.analysis.method == "bayesian":
        return ": the probability of that reaches what this look needs"
    if spec.analysis.is_sequential:
        return " by more than chance would explain, however often anybody looks"
    return f" by more than chance would explain: its adjusted p is below {spec.analysis.alpha:g}"


def _sizes(spec: ExperimentSpec) -> dict[str, str]:
    level = coverage(1 - spec.analysis.alpha)
    return {
        "margin": "The loss that the team agreed, beforehand, to accept on a guardrail.",
        "mde": "The smallest effect worth detecting. It sets the size of the test; it is no bar to pass.",
        f"{level} interval": (
            f"A range from a method that catches the true effect in {level} of such tests. Its width is the "
            "uncertainty."
        ),
        "pp": "Percentage points: from 20 % to 21 % is 1 pp, and 5 % in relative terms.",
        "precision": "How much information came in, in percent of what the plan asked for.",
    }


def _evidence(spec: ExperimentSpec) -> dict[str, str]:
    found = {
        "adjusted p": (
            "How often chance alone would bring a difference at least this large if nothing had changed, "
            f"made stricter (by {correction(spec.analysis.correction)}'s method) where several questions are asked at "
            "once."
        )
    }
    if spec.analysis.is_sequential:
        found["look"] = (
            "A day on which the primary metric is read. A look of the plan before the horizon ends the test only when "
            "it has shown its answer; otherwise its numbers are not final."
        )
    if spec.analysis.method == "bayesian":
        found["probability better"] = "How sure the data and the prior make us that the variant is better than control."
        found["expected loss"] = "How much would be lost on average, over everything that may still be true."
    if spec.analysis.cuped is not None:
        found["CUPED"] = (
            "Takes off a metric what units did before the test, which leaves less noise and no other effect."
        )
    return found


def _beyond(readout: Readout) -> dict[str, str]:
    found = {}
    if readout.segments:
        found["planned, exploratory"] = (
            "Named in the experiment file before the test; or looked at besides, where some difference shows by chance."
        )
        found["I²"] = "How much of the spread between the levels of a segment is more than noise."
        found["simultaneous interval"] = "Wider than an interval on its own, so that those of all levels hold together."
    if readout.over_time:
        found["wears off, grows, steady"] = (
            "The benefit becomes smaller from day to day; larger; or no trend is shown, which is no proof of none."
        )
    return found
