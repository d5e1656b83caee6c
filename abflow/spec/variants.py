"""`Variants`: the arms of an experiment, and how they share the units."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from abflow.spec.field_error import FieldError
from abflow.spec.metrics import SpecModel

BUCKETS = 10_000
MOST_VARIANTS = 32


class Variant(SpecModel):
    """One arm: which model version answers, and its share of units."""

    version: str | None = Field(default=None, description="A registry alias such as @champion, or a number.")
    weight: Annotated[float, Field(gt=0)]

    @field_validator("version", mode="before")
    @classmethod
    def _alias_or_number(cls, version: Any) -> Any:
        if version is None:
            return None
        text = str(version)
        if isinstance(version, bool) or not re.fullmatch(r"@[A-Za-z][\w-]*|[1-9]\d*", text):
            raise ValueError(
                f"version {version!r} is neither an alias such as '@champion' nor a version number such as 3"
            )
        return text


def _weights_add_up(variants: dict[str, Variant]) -> dict[str, Variant]:
    for name in variants:
        if not name.strip() or len(name) > 200:
            raise FieldError(name, wrong="the name of a variant must have 1 to 200 visible characters")
    weights = [variant.weight for variant in variants.values()]
    total = sum(weights)
    fractions = any(weight != int(weight) for weight in weights)
    if fractions and min(abs(total - 1), abs(total - 100)) > 1e-9:
        shares = ", ".join(f"{name} {variant.weight:g}" for name, variant in variants.items())
        raise ValueError(
            f"weights add up to {total:g}; fractions must add up to 1 ({shares}). "
            "Whole numbers are read as shares: 2 and 1 are two thirds and one third"
        )
    for name, variant in variants.items():
        if variant.weight / total * BUCKETS < 1:
            raise FieldError(name, "weight", wrong=f"is below 1/{BUCKETS} of all, the finest share there is")
    return variants


Variants = Annotated[dict[str, Variant], Field(min_length=2, max_length=MOST_VARIANTS), AfterValidator(_weights_add_up)]
