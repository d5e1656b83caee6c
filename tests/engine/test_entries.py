"""A unit's first exposure is found in two ways, which must not differ."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abflow.engine import entries
from tests.engine.small_logs import START, Row, at, build, by_day, experiment, exposure

SPEC = experiment(segments="[country]")
# Few units and few moments, so that exposures of a unit often have the same time.
exposures = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 2),
        st.sampled_from([None, "it's", "de"]),
        st.sampled_from([None, True, False]),
        st.sampled_from([None, 0.25, 1.0]),
    ),
    min_size=1,
    max_size=12,
)


def units_of(folder: Path, rows: list[Row]) -> list[tuple[Any, ...]]:
    made = build(SPEC, folder, by_day(rows, days=1), by_day([], days=1))[START]
    query = f"from '{folder / 'unit_day' / str(START) / made.exposure_log.files[0]}' order by unit_id, day"
    return duckdb.connect().execute(query).fetchall()


@settings(max_examples=25, deadline=None)
@given(exposures)
def test_numbers_and_whole_rows_find_the_same_first_exposure(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, int, str | None, bool | None, float | None]]
) -> None:
    rows = [
        exposure(
            unit,
            variant,
            at(0) + timedelta(microseconds=moment),
            country=country,
            is_new_user=is_new,
            variant_propensity=propensity,
        )
        for unit, variant, moment, country, is_new, propensity in drawn
    ]
    numbered = units_of(tmp_path_factory.mktemp("numbered"), rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "ROOM", 1)
        compared = units_of(tmp_path_factory.mktemp("compared"), rows)
    assert numbered == compared
    assert {unit for unit, *_ in numbered} == {unit for unit, *_ in drawn}


@pytest.mark.parametrize("countries", [2, entries.ROOM // 2, entries.ROOM // 2 + 1, 300])
def test_the_first_exposure_says_where_a_unit_is(tmp_path: Path, countries: int) -> None:
    rows = [
        exposure(f"u{n:03}", "ab"[n % 2], at(0, hour), country=f"c{(n + hour) % countries}")
        for n in range(countries)
        for hour in (2, 1, 3)
    ]
    found = units_of(tmp_path, rows)
    assert [(unit, context["country"]) for unit, _, _, _, _, context, *_ in found] == [
        (f"u{n:03}", f"c{(n + 1) % countries}") for n in range(countries)
    ]


def test_thirty_two_variants_stay_apart(tmp_path: Path) -> None:
    names = [f"v{n:02}" for n in range(32)]
    spec = experiment(variants=f"{{{', '.join(f'{name}: {{weight: 1}}' for name in names)}}}")
    rows = [exposure(f"u{n:02}", name, at(0, 1)) for n, name in enumerate(names)]
    rows += [exposure("u00", "v31", at(0, 2)), exposure("u31", "v05", at(0, 3)), exposure("u31", "v07", at(0, 4))]
    made = build(spec, tmp_path, by_day(rows, days=1), by_day([], days=1))[START]
    file = tmp_path / "unit_day" / str(START) / made.exposure_log.files[0]
    query = f"select first_variant, lowest_variant, highest_variant from '{file}' order by unit_id"
    found = duckdb.connect().execute(query).fetchall()
    assert found[0] == ("v00", "v00", "v31")
    assert found[31] == ("v31", "v05", "v31")
    assert all(seen == (name, name, name) for name, seen in zip(names[1:31], found[1:31], strict=True))
