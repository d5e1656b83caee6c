"""`Evidence`: everything a report is made of, and what of it may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from abflow.analysis.blueprint import Blueprint, Extended
from abflow.analysis.extension import extension_in_words
from abflow.analysis.gates import Gate, GateStatus, Status
from abflow.analysis.peeking import Peek, as_read
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import ArmVerdict, Decision, Verdict
from abflow.spec.calendar import GateName, calendar_of
from abflow.spec.experiment import ExperimentSpec

DROPPED = "V2"  # the rule by which an arm is dropped for harm


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A gate that the experiment went past without a pass, and the reason given."""

    gate: str
    how: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """Days whose logs changed after they had been read.

    Attributes:
        alarms: What that has changed in what people acted on, in sentences.
    """

    days: tuple[date, ...] = ()
    alarms: tuple[str, ...] = ()


NONE_RESTATED = Restated()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of an experiment so far.

    Attributes:
        registry: Lines that say what was or would be changed in the registry.
        peeks: Who looked at the primary although the plan reads it once.
        overruled: Who promoted a variant against the verdict, and why; None where nobody did.
        extended: That the test goes on past its plan's last day, as the plan promised; None where it does not.
        restated: Days whose logs changed after they had been read, and what that has changed.
    """

    spec: ExperimentSpec
    gates: tuple[Gate, ...]
    readout: Readout | None
    verdict: Verdict | None
    blueprint: Blueprint | None
    registry: tuple[str, ...]
    peeks: tuple[Peek, ...] = ()
    overruled: str | None = None
    extended: Extended | None = None
    restated: Restated = NONE_RESTATED

    @property
    def as_read(self) -> ExperimentSpec:
        """The plan as the test is read: by its own method, or after a peek by a confidence sequence."""
        return as_read(self.spec, self.peeks)

    @property
    def extension(self) -> str | None:
        """When and why the test went on past its plan's last day."""
        return extension_in_words(self.extended) if self.extended else None

    @property
    def readable(self) -> bool:
        """Whether the numbers may be read as a result; a failed validity check forbids it."""
        if self.readout is None or (self.verdict and self.verdict.decision is Decision.INVALID):
            return False
        return all(check.status is not Status.FAIL for check in self.readout.checks)

    @property
    def ended_early(self) -> bool:
        """Whether the experiment is over before its horizon was read."""
        read = self.readout is not None and self.readout.final
        return self.verdict is not None and self.verdict.decision is not Decision.NONE_YET and not read

    @property
    def look(self) -> str | None:
        """Which look the readout is of; None at the horizon, and without a readout."""
        if self.readout is None or self.readout.final:
            return None
        ended = self.verdict is not None and self.verdict.ends and self.verdict.readout is not None
        standing = "which ended the test" if ended else "not final"
        return f"Look on day {self.readout.day} of {self.spec.phases.test.days}, {standing}"

    @property
    def dropped(self) -> tuple[ArmVerdict, ...]:
        """Arms that were found to do harm before the horizon."""
        return tuple(arm for arm in self.verdict.arms if arm.rule == DROPPED) if self.verdict else ()

    @property
    def untold(self) -> tuple[ArmVerdict, ...]:
        """Dropped arms of which the verdict's own sentence says nothing."""
        told = self.verdict.sentence if self.verdict else ""
        return tuple(arm for arm in self.dropped if arm.sentence not in told)

    @property
    def horizon(self) -> date:
        """The last day whose data count: as it was extended, as it was frozen, or else as it is planned."""
        if self.extended:
            return self.extended.last
        return self.blueprint.horizon if self.blueprint else calendar_of(self.spec).last

    @property
    def test_end(self) -> date:
        """The last day of the test: the horizon, or the day on which it ended before."""
        ended = self.verdict.on if self.verdict and self.ended_early else None
        return ended or self.horizon

    @property
    def test_start(self) -> date:
        """The first day of the test: as it was frozen, or else as it is planned."""
        return self.blueprint.test_start if self.blueprint else calendar_of(self.spec).test.start

    @property
    def first_day(self) -> date:
        """The first day of the experiment."""
        return self.blueprint.first_day if self.blueprint else calendar_of(self.spec).first

    @property
    def shut_gate(self) -> Gate | None:
        """The gate that holds the experiment, if one does."""
        return next((gate for name in GateName if (gate := self.gate(name)) and not gate.opens), None)

    def gate(self, name: GateName) -> Gate | None:
        """The latest answer of a gate; None when it was not reached."""
        return next((gate for gate in reversed(self.gates) if gate.gate is name), None)

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """Every gate without a pass that let the experiment go on, in the order of the lifecycle."""
        found = {}
        for name in GateName:
            gate = self.gate(name)
            told = self.verdict.continued.get(name) if self.verdict else None
            if gate and gate.status is GateStatus.SKIPPED:
                found[name.value] = PassedOver(gate=name.value, how="skipped", reason=told or gate.reason)
            elif gate and gate.continued:
                found[name.value] = PassedOver(gate=name.value, how="continued", reason=gate.continued)
        rest = self.verdict.continued if self.verdict else {}
        for name_, reason in rest.items():
            found.setdefault(name_, PassedOver(gate=name_, how="passed over", reason=reason))
        return tuple(found.values())
