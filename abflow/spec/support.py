"""What the file format promises and this version cannot run yet: refused by name, never ignored."""

from __future__ import annotations

from abflow.spec.experiment import ExperimentSpec

_Field = tuple[str | int, ...]
REFUSED = (
    "is part of the file format, but this version of abflow cannot run it yet; `abflow plan` reads it, "
    "and the file without this line runs the A/A phase that a plan is played through on"
)


def not_yet(spec: ExperimentSpec) -> list[tuple[_Field, str]]:
    """Every field whose value this version of abflow cannot honour, with a sentence each."""
    refused: list[tuple[_Field, object, bool]] = [
        (("allocation",), spec.allocation, spec.allocation != "fixed"),
    ]
    return [(field, f"{value!r} {REFUSED}") for field, value, beyond in refused if beyond]
