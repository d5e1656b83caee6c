"""The columns of each log, as SQL over the numbers that were drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abflow.errors import SpecError
from abflow.simulate.levers import event_types, value_columns
from abflow.simulate.population import UNIT_SQL
from abflow.simulate.truth import Truth
from abflow.simulate.writer import quoted
from abflow.spec.assignment import bucket_shares
from abflow.spec.experiment import ExperimentSpec

_UNIT = UNIT_SQL.format(key="key")


def exposure_columns(spec: ExperimentSpec, truth: Truth, versions: Mapping[str, str]) -> str:
    """One row per request served in the experiment; segments of the spec stand at the end.

    Args:
        spec: The experiment.
        truth: Names the levels of the segments.
        versions: What stands in `model_version`, by variant.
    """
    shares = bucket_shares(spec)
    columns = {
        "timestamp": "make_timestamp(moment)",
        "experiment_id": quoted(spec.experiment),
        "user_id": _UNIT,
        "variant": _named(list(spec.variants), "variant"),
        "request_id": "'r' || request",
        "model_version": _named([versions[name] for name in spec.variants], "served"),
        "fallback": "fallback",
        "latency_ms": "latency_ms",
        "error": "case when failed then 'timeout' end",
        "is_new_user": "not established",
        "variant_propensity": f"({[shares[name] for name in spec.variants]}::double[])[variant + 1]",
        # Given its variant, a simulated model always gives the same answer.
        "propensity": "1.0::double",
    }
    for name in segment_names(spec):
        columns.setdefault(name, _named(truth.segment_levels, _identifier(f"segment {name}")))
    return _select(columns)


def outcome_columns(spec: ExperimentSpec) -> str:
    """One row per event of a unit."""
    value, *more_values = value_columns(spec)
    number = "case when isnan(value) then null else value end"
    columns = {
        "timestamp": "make_timestamp(moment)",
        "user_id": _UNIT,
        "event_type": _named(event_types(spec), "type"),
        "event_id": "'e' || event",
        value: number,
        "item_id": "'item-' || lpad(item::varchar, 3, '0')",
        "model_variant_served": _named(list(spec.variants), "nullif(served, -1)"),
        **dict.fromkeys(more_values, number),
    }
    return _select(columns)


def shadow_columns() -> str:
    """One row per mirrored request."""
    return _select(
        {
            "timestamp": "make_timestamp(moment)",
            "request_id": "'s' || request",
            "production_prediction": "production",
            "production_latency_ms": "production_ms",
            "shadow_prediction": "case when failed then null else shadow end",
            "shadow_latency_ms": "shadow_ms",
            "shadow_error": "case when failed then 'timeout' end",
            "predictions_agree": "case when failed then null else agree end",
            "user_id": _UNIT,
        }
    )


def served_versions(spec: ExperimentSpec, given: Mapping[str, str] | None) -> dict[str, str]:
    """What stands in `model_version` by variant; without a model the variant's name does.

    Raises:
        SpecError: A version is given for a variant that there is not.
    """
    given = given or {}
    for name in given:
        if name not in spec.variants:
            raise SpecError(f"versions name {name!r}, which is not one of the variants {', '.join(spec.variants)}")
    return {name: given.get(name) or variant.version or name for name, variant in spec.variants.items()}


def segment_names(spec: ExperimentSpec) -> tuple[str, ...]:
    """Segments that are columns of their own."""
    return tuple(name for name in spec.segments if name != "is_new_user")


def _named(names: Sequence[str], code: str) -> str:
    """The name that a code stands for; null for null."""
    return f"[{', '.join(quoted(name) for name in names)}][{code} + 1]"


def _select(columns: Mapping[str, str]) -> str:
    """The drawn rows stand in order already."""
    listed = ", ".join(f"{sql} as {_identifier(name)}" for name, sql in columns.items())
    return f"select {listed} from drawn"  # noqa: S608  names are quoted, expressions are ours


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
