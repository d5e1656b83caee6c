"""What became of the log's rows that metrics read."""

from __future__ import annotations

from dataclasses import dataclass

FATES = (
    "attributed",
    "crossed",
    "before_exposure",
    "after_window",
    "immature",
    "never_exposed",
    "not_enrolled",
    "repeated",
    "after_cut_off",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsAgain:
    """Requests whose id comes again; every UTC day counts an id once (rule 1.7), so that other days count it too.

    Attributes:
        compared: Ids that were looked for on other days.
        share: Of all ids; less than 1 where a day has too many, and then they are those of the lowest digests.
        other_days: How often such an id stands on one more day.
        other_files: How often it stands, with a time of the same day, in the file of one more day.
    """

    compared: int
    share: float
    other_days: int
    other_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureRows:
    """The rows of the exposure log in the files of a phase's days.

    Attributes:
        counted: Of the experiment, every request once in its file.
        repeated: Of the experiment, with the request_id of an earlier row of their file and day.
        other_experiments: Of others.
        again: None where the log has no request_id.
    """

    counted: int
    repeated: int
    other_experiments: int
    again: RequestsAgain | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The rows of one event in the outcome log, as some metrics read them; every row is counted once.

    Attributes:
        metrics: Those that read them, all within the same window.
        event: The event's type, and of a filtered one which of its rows.
        window_days: None: until the cut-off.
        attributed: Within the window of a mature unit that was seen in one variant.
        crossed: The same of a unit that was seen in two; they count where such units are kept in their first.
        before_exposure: Before the unit's first exposure.
        after_window: After the unit's window, and before the cut-off.
        immature: Within a window that is not over at the cut-off.
        never_exposed: Of somebody whom the phase never showed a variant.
        not_enrolled: Of a unit first exposed after enrolment had ended.
        repeated: With the event_id of an earlier row.
        after_cut_off: Not before the cut-off.
    """

    metrics: tuple[str, ...]
    event: str
    window_days: int | None
    attributed: int
    crossed: int
    before_exposure: int
    after_window: int
    immature: int
    never_exposed: int
    not_enrolled: int
    repeated: int
    after_cut_off: int

    @property
    def rows(self) -> int:
        """All of them, as the log has them."""
        return sum(self.by_fate.values())

    @property
    def by_fate(self) -> dict[str, int]:
        """Every count by its name."""
        return {fate: getattr(self, fate) for fate in FATES}
