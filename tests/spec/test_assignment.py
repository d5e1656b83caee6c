from __future__ import annotations

from collections import Counter
from hashlib import md5

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abflow.spec.assignment import bucket, bucket_shares, bucket_sql, edges, variant_edges, variant_of
from abflow.spec.loading import parse_experiment
from abflow.spec.variants import BUCKETS
from tests.spec.files import GOOD

# Lone surrogates are no text that a file or a database could hold, and SQL text ends at a NUL in some drivers.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
weights = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=12).map(
    lambda given: {f"v{n}": weight for n, weight in enumerate(given)}
)


@pytest.mark.parametrize(("unit", "salt"), [("user_1", "churn_v3"), ("", ""), ("ü:1", "π"), ("a:b", "c")])
def test_a_bucket_is_the_md5_digest_modulo_ten_thousand(unit: str, salt: str) -> None:
    digest = md5(unit.encode() + b":" + salt.encode(), usedforsecurity=False).digest()
    assert bucket(unit, salt) == int.from_bytes(digest, "big") % 10_000


def test_the_bucket_of_a_digest_made_by_another_program() -> None:
    # GNU coreutils: printf ':' | md5sum
    assert bucket("", "") == 0x853AE90F0351324BD73EA615E6487517 % 10_000


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=60))
def test_python_and_sql_agree_on_every_text(pairs: list[tuple[str, str]]) -> None:
    with duckdb.connect(":memory:") as db:
        rows = db.execute(
            f"select {bucket_sql('pair[1]', 'pair[2]')} from (select unnest($pairs::varchar[][]) as pair)",
            {"pairs": [list(pair) for pair in pairs]},
        ).fetchall()
    assert [row[0] for row in rows] == [bucket(unit, salt) for unit, salt in pairs]


@given(weights)
def test_edges_cover_every_bucket_once_in_the_order_given(shares: dict[str, float]) -> None:
    got = edges(shares)
    assert list(got) == list(shares)
    ends = [0, *(end for _, end in got.values())]
    assert [start for start, _ in got.values()] == ends[:-1]
    assert ends[-1] == BUCKETS
    assert ends == sorted(ends)


@given(weights, st.floats(0.01, 100))
def test_weights_are_shares_whatever_they_add_up_to(shares: dict[str, float], scale: float) -> None:
    scaled = edges({name: weight * scale for name, weight in shares.items()})
    for name, (start, end) in edges(shares).items():
        assert abs(scaled[name][0] - start) <= 1  # a share that falls between two buckets may round either way
        assert abs(scaled[name][1] - end) <= 1


def test_thirds_are_rounded_to_whole_buckets() -> None:
    assert edges({"a": 1, "b": 1, "c": 1}) == {"a": (0, 3333), "b": (3333, 6667), "c": (6667, 10_000)}


def test_a_unit_gets_the_variant_whose_range_holds_its_bucket() -> None:
    spec = parse_experiment(GOOD.replace("weight: 0.5", "weight: 0.3", 1).replace("weight: 0.5", "weight: 0.7", 1))
    assert variant_edges(spec) == {"control": (0, 3000), "treatment": (3000, 10_000)}
    assert bucket_shares(spec) == {"control": 0.3, "treatment": 0.7}
    got = Counter(variant_of(f"u{n}", spec) for n in range(2_000))
    by_hand = sum(bucket(f"u{n}", "churn_v3") < 3_000 for n in range(2_000))
    assert got == {"control": by_hand, "treatment": 2_000 - by_hand}
    assert 540 < by_hand < 660  # three standard deviations around 600


def test_another_salt_assigns_afresh() -> None:
    own = parse_experiment(GOOD)
    salted = parse_experiment(GOOD + "salt: another\n")
    units = [f"u{n}" for n in range(400)]
    moved = sum(variant_of(unit, own) != variant_of(unit, salted) for unit in units)
    assert 150 < moved < 250
    assert variant_of("u1", salted) == ("control" if bucket("u1", "another") < 5_000 else "treatment")
