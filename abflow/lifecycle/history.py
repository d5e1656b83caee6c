"""What was said of an experiment, in the order in which it was said, and whether later data say something else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from abflow.analysis.gates import Gate
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Decision, Verdict
from abflow.analysis.wording import spans
from abflow.lifecycle.bench import Bench
from abflow.registry.ledger import Entry
from abflow.spec.calendar import GateName

BESIDE = "gates/aa_again"  # what the A/A gate would say now, where the plan rests on what it said before


def alarms(bench: Bench) -> dict[str, str]:
    """What restated days have changed in what people acted on: a sentence by what changed, gate or verdict."""
    found = {"gate_changed": _gate(bench), "verdict_changed": _verdict(bench)}
    return {what: sentence for what, sentence in found.items() if sentence}


def raise_alarms(bench: Bench, *, now: datetime) -> dict[str, str]:
    """Write the alarms into the ledger, once for each restatement, and onto the MLflow run."""
    found = alarms(bench)
    restated = [entry for entry in _entries(bench) if entry.kind == "restated"]
    if restated:
        with bench.ledger.lock():
            for what, sentence in found.items():
                facts = {"sentence": sentence, "restated": restated[-1].sha256}
                bench.ledger.record_once(what, bench.spec.experiment, facts, at=now, same="restated")
    if bench.tracking:
        bench.tracking.alarm(" ".join(found.values()))
    return found


def verdict_changed(bench: Bench) -> bool:
    """Whether restated days have changed the verdict since people could act on it."""
    return _verdict(bench) is not None


def restated_days(bench: Bench, *, after: int = 0) -> tuple[date, ...]:
    """Every day that was restated.

    Args:
        bench: The experiment.
        after: Only what happened after this entry of the ledger.
    """
    entries = (entry for entry in _entries(bench) if entry.kind == "restated" and entry.number > after)
    return tuple(sorted({date.fromisoformat(day) for entry in entries for day in entry.facts["days"]}))


def _gate(bench: Bench) -> str | None:
    gate, again = bench.store.find(f"gates/{GateName.AA}", Gate), bench.store.find(BESIDE, Gate)
    if gate is None or again is None or again.status is gate.status:
        return None
    return (
        f"The A/A gate said {gate.status} when the plan was frozen; judged again, with the days that were restated "
        f"since, it says {again.status}: {again.reason} The plan and the start of the test stay as they are."
    )


def _verdict(bench: Bench) -> str | None:
    stood, verdict = _standing(_entries(bench)), bench.store.find("verdict", Verdict)
    if stood is None or verdict is None:
        return None
    before = stood.facts
    if (before["decision"], before.get("winner")) == (verdict.decision, verdict.winner):
        return None
    days = restated_days(bench, after=stood.number)
    if not days:
        return None
    since = "" if verdict.decision is Decision.NONE_YET else f" (rule {verdict.rule})"
    return (
        f"The verdict was {_word(before['decision'], before.get('winner'))} (rule {before['rule']}) until "
        f"{spans(days)} {'was' if len(days) == 1 else 'were'} restated; now it is "
        f"{_word(verdict.decision, verdict.winner)}{since}. Nothing is promoted or rolled back because of that: "
        "look at both, then decide."
    )


def _standing(entries: tuple[Entry, ...]) -> Entry | None:
    """The verdict that people acted on: the one that was promoted last, or else the first that ended the test."""
    verdicts: dict[str, Entry] = {}
    stood: Entry | None = None
    for entry in entries:
        match entry.kind:
            case "verdict":
                verdicts.setdefault(entry.facts["verdict_sha256"], entry)
                if stood is None and entry.facts["decision"] != Decision.INVALID:
                    stood = entry
            case "stop_withdrawn":
                stood = None
            case "promoted":
                stood = verdicts.get(entry.facts["verdict_sha256"], stood)
    return stood


def _word(decision: str, winner: str | None) -> str:
    words = decision.replace("_", " ")
    return f"{words} {winner}" if winner else words


def timeline(bench: Bench) -> Iterator[str]:
    """Every verdict and what led to it, a line each, oldest first; looks that showed nothing come first."""
    verdicts, readouts = bench.store.history("verdict", Verdict), bench.store.history("readout", Readout)
    looks = [verdict for verdict in verdicts.values() if verdict.decision is Decision.NONE_YET]
    for verdict in sorted(looks, key=lambda verdict: verdict.on or date.min):
        yield _of_verdict(verdict, readouts)
    for entry in _entries(bench):
        told = _of_entry(entry, verdicts, readouts)
        if told:
            yield f"{entry.at[:16].replace('T', ' ')} {told}"


def _of_entry(entry: Entry, verdicts: dict[str, Verdict], readouts: dict[str, Readout]) -> str | None:
    facts = entry.facts
    match entry.kind:
        case "verdict" if facts["verdict_sha256"] in verdicts:
            return f"{_of_verdict(verdicts[facts['verdict_sha256']], readouts)}, verdict {facts['verdict_sha256'][:12]}"
        case "restated":
            return "restated: " + ", ".join(
                f"{day} (inputs {facts['before'][day][:12]} -> {inputs[:12]})" for day, inputs in facts["days"].items()
            )
        case "promoted":
            return f"promoted: {facts['model']} version {facts['to']}, by verdict {facts['verdict_sha256'][:12]}"
        case "gate_changed" | "verdict_changed":
            return f"alarm: {facts['sentence']}"
        case _:
            return f"{entry.kind.replace('_', ' ')}: {facts['reason']}" if facts.get("reason") else None


def _of_verdict(verdict: Verdict, readouts: dict[str, Readout]) -> str:
    told = f"verdict of {verdict.on}: {_word(verdict.decision, verdict.winner)} (rule {verdict.rule})"
    readout = readouts.get(verdict.readout or "")
    if readout is None:
        return told
    words = ", ".join(f"{c.metric} of {c.arm} {c.answer}" for c in readout.comparisons)
    return f"{told}; {words}; inputs {readout.inputs[:12]}, readout {(verdict.readout or '')[:12]}"


def _entries(bench: Bench) -> tuple[Entry, ...]:
    return tuple(entry for entry in bench.ledger.entries() if entry.experiment == bench.spec.experiment)
