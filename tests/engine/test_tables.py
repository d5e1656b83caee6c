from __future__ import annotations

from datetime import date
from pathlib import Path

from abflow.analysis.compare import compare
from abflow.analysis.looks import Look
from abflow.analysis.readout import Readout
from abflow.engine.measures import totals_of
from abflow.engine.measuring import measure
from abflow.engine.tables import MOMENTS, READOUT, name_of, open_tables, write_look
from tests.engine.small_logs import at, build, by_day, experiment, exposure, outcome, partitions_of, recorded

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "tables.md"
METRICS = """
  visits: {role: primary, kind: count, event: visit, mde: {relative: 0.1}}
  price: {role: secondary, kind: ratio, numerator: purchase, numerator_value: value, denominator: visit, why: asked for}
"""


def test_the_tables_hold_what_was_measured_and_compared(tmp_path: Path) -> None:
    spec = experiment(METRICS, enroll_days=5)
    shown = by_day([exposure(f"u{n}", "ab"[n % 2], at(0, 1)) for n in range(40)])
    done = by_day([outcome(f"u{n}", event, at(n % 5, 5), 2.0) for n in range(30) for event in ("visit", "purchase")])
    record = recorded(spec, tmp_path, partitions_of(tmp_path, build(spec, tmp_path, shown, done)))
    population = measure(spec, record)
    look = Look(day=5, final=True, planned=40)
    compared, beside = (compare(spec, population, contamination=kind, look=look) for kind in ("exclude", "keep_first"))
    readout = Readout(
        experiment=spec.experiment,
        spec_sha256=spec.sha256,
        inputs=record.inputs,
        cut_off=date(2026, 3, 7),
        units=population.units(),
        too_late=0,
        crossed=0,
        contamination="exclude",
        checks=(),
        comparisons=compared,
        beside=beside,
    )
    kept = write_look(population, readout, tmp_path, readout_sha256="ab" * 32)
    partitions = record.partitions
    files = {
        "moments": [tmp_path / kept.files[0]],
        "readout": [tmp_path / kept.files[1]],
        "events": [partition.events for partition in partitions],
        "unit_days": [partition.units for partition in partitions],
        "units test": [record.state.file],
    }
    with open_tables(files, totals={"test": totals_of(spec)}) as db:
        columns = {
            name: [row[0] for row in db.execute(f"describe {name}").fetchall()] for name in ("moments", "readout")
        }
        assert columns == {"moments": list(MOMENTS), "readout": list(READOUT)}
        units = (
            "select variant, count(*), sum(\"count of visit\") from units where phase = 'test' group by all order by 1"
        )
        assert db.execute(units).fetchall() == [("a", 20, 15.0), ("b", 20, 15.0)]
        whole = db.execute(
            "select n, mean from moments where metric = 'visits' and split_by = 'all' order by all"
        ).fetchall()
        assert whole == [(20, 0.75)] * 4
        ratio = db.execute(
            "select distinct mean_numerator / mean_denominator from moments where metric = 'price' and split_by = 'all'"
        ).fetchall()
        assert ratio == [(2.0,)]
        read = db.execute("select metric, arm, contamination, effect from readout order by all").fetchall()
        assert [row[:3] for row in read] == [
            ("price", "b", "exclude"),
            ("price", "b", "keep_first"),
            ("visits", "b", "exclude"),
            ("visits", "b", "keep_first"),
        ]
        assert db.execute("select count(*) from events").fetchall() == [(60,)]
        assert db.execute("select sum(exposures) from unit_days").fetchall() == [(40,)]
        assert {name for (name,) in db.execute("show tables").fetchall()} == {name.split()[0] for name in files}


def test_the_guide_makes_moments_of_units(tmp_path: Path) -> None:
    """Also where some units came after enrolment, and some were seen in two variants."""
    spec = experiment(
        "  paid: {role: primary, kind: mean, event: purchase, value: value, mde: {relative: 0.1}}\n", enroll_days=2
    )
    rows = [exposure(f"u{n}", "ab"[n % 2], at(n % 4, 1)) for n in range(40)]
    shown = by_day([*rows, exposure("u1", "a", at(2)), exposure("u4", "b", at(2))])
    done = by_day([outcome(f"u{n}", "purchase", at(4), float(n)) for n in range(30)])
    record = recorded(spec, tmp_path, partitions_of(tmp_path, build(spec, tmp_path, shown, done)))
    kept = [each for each in measure(spec, record).measured if each.contamination == "exclude"]
    query = GUIDE.read_text(encoding="utf-8").partition("```sql\n")[2].partition("```")[0]
    assert "2026-10-15" in query
    with open_tables({"units test": [record.state.file]}, totals={"test": totals_of(spec)}) as db:
        found = db.execute(query.replace("2026-10-15", str(at(2).date()))).fetchall()
    assert sorted(found) == sorted((each.variant, each.moments.n, each.moments.mean) for each in kept)
    assert [n for _, n, _ in found] == [9, 9]


def test_a_table_that_is_not_made_yet_is_not_there(tmp_path: Path) -> None:
    with open_tables({}, totals={}) as db:
        assert db.execute("show tables").fetchall() == []


def test_a_filtered_metric_has_a_column_of_its_own(tmp_path: Path) -> None:
    metrics = f'{METRICS}  searched: {{role: secondary, kind: count, event: visit, where: {{surface: "it\'s"}}}}\n'
    spec = experiment(metrics, enroll_days=5)
    shown = by_day([exposure(f"u{n}", "ab"[n % 2], at(0, 1)) for n in range(4)])
    done = {
        day: [{"surface": "it's" if row["user_id"] == "u1" else None} | row for row in rows]
        for day, rows in by_day([outcome(f"u{n}", "visit", at(0, 5)) for n in range(4)]).items()
    }
    record = recorded(spec, tmp_path, partitions_of(tmp_path, build(spec, tmp_path, shown, done)))
    files = {"units test": [record.state.file], "events": [partition.events for partition in record.partitions]}
    with open_tables(files, totals={"test": totals_of(spec)}) as db:
        column = "\"count of visit where surface = 'it''s'\""
        assert db.execute(f"select unit_id from units where {column} = 1").fetchall() == [("u1",)]
        assert db.execute("select count(*) from events where measure = 'visit'").fetchall() == [(4,)]


def test_totals_have_plain_names_and_no_two_the_same() -> None:
    wheres = ["{surface: search}", "{surface: [home, search], level: 5}", "{level: '5'}", "{member: true}"]
    kinds = [f"kind: count, event: click, where: {where}" for where in (*wheres, "{member: 'true'}")]
    kinds += ["kind: mean, event: click, value: value, window_days: 2, where: {level: 0.5}"]
    kinds += ["kind: count, event: click, window_days: 2", "kind: count, event: click"]
    added = "".join(f"  m{n}: {{role: secondary, {kind}}}\n" for n, kind in enumerate(kinds))
    names = {name_of(total) for total in totals_of(experiment(METRICS + added))}
    assert {
        "count of click",
        "count of click in 2 days",
        "count of click where level = '5'",
        "count of click where level = 5 and surface in ('home', 'search')",
        "count of click where member = 'true'",
        "count of click where member = true",
        "count of click where surface = 'search'",
        "sum of click:value where level = 0.5 in 2 days",
    } <= names
    assert len(names) == len(totals_of(experiment(METRICS + added)))
