"""The words of the page, for readers who do not test for a living."""

from __future__ import annotations

from abflow.report.rows import coverage
from abflow.spec.experiment import ExperimentSpec


def glossary(spec: ExperimentSpec) -> dict[str, str]:
    """Each word with its meaning, in the order in which a reader meets them."""
    level = coverage(1 - spec.analysis.alpha)
    return {
        "better, worse": (
            "The metric moved in the good (or bad) direction by more than chance would explain: its adjusted "
            f"p is below {spec.analysis.alpha:g}."
        ),
        "unclear": "The data do not settle the question. This is not evidence that nothing changed.",
        "safe, harmed": (
            "For a guardrail: a loss larger than its margin is ruled out (safe), or shown (harmed). A "
            "guardrail can be a little worse than control and still be safe."
        ),
        "primary, guardrail, secondary": "What decides; what must not be hurt; what is only watched.",
        "margin": "The loss that the team agreed, beforehand, to accept on a guardrail.",
        "mde": "The smallest effect worth detecting. It sets the size of the test; it is no bar to pass.",
        f"{level} interval": (
            f"A range from a method that catches the true effect in {level} of such tests. Its width is the "
            "uncertainty."
        ),
        "pp": "Percentage points: from 20 % to 21 % is 1 pp, and 5 % in relative terms.",
        "adjusted p": (
            "How often chance alone would bring a difference at least this large if nothing had changed, "
            "made stricter (by Holm's method) where several questions are asked at once."
        ),
        "precision": "How much information came in, in percent of what the plan asked for.",
        "units, immature": (
            f"One unit is one {spec.unit}. It is immature while its outcome window is not over, and is then left out."
        ),
        "crossed": "A unit that was seen in more than one variant.",
        "control": "The variant that the others are compared with.",
    }
