"""`Logs`: where the logs are, and what their columns are called there."""

from __future__ import annotations

import string
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from abflow.spec.field_error import FieldError
from abflow.spec.metrics import SpecModel, Text

_A_LONG_TIME = [date(2027, 12, 25) + timedelta(days=n) for n in range(800)]  # with a leap day in it


def is_template(path: str) -> bool:
    """Whether a path has a place for the day, such as `{date}` or `{date:%Y/%m/%d}`.

    Raises:
        ValueError: It has a place for something else.
    """
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(path) if field is not None]
    except ValueError as error:
        raise ValueError(f"{path!r} is no template ({error}); write the day as {{date}} or {{date:%Y/%m/%d}}") from None
    unknown = [field for field in fields if field != "date"]
    if unknown:
        raise ValueError(f"{path!r} has a place for {unknown[0]!r}; the only one there is is {{date}}")
    return bool(fields)


def on_day(template: str, day: date) -> str:
    """A template's path on one day."""
    return template.format(date=day)


def _tells_days_apart(path: str) -> str:
    if is_template(path) and len({on_day(path, day) for day in _A_LONG_TIME}) < len(_A_LONG_TIME):
        raise ValueError(
            f"{path!r} is the same path on several days; put the whole day into it, such as {{date:%Y/%m/%d}}. "
            "Where one file holds several days, write * instead"
        )
    return path


_Path = Annotated[Text, AfterValidator(_tells_days_apart)]


class LogSource(SpecModel):
    """Where a log is, when its path alone does not say enough."""

    path: _Path = Field(description="A folder, a file, a glob, or a template with {date}; local or in an object store.")
    columns: dict[Text, Text] = Field(default={}, description="By abflow's name of a column, its name in the log.")
    day: Literal["timestamp"] | None = Field(
        default=None, description="timestamp: a row's day is that of its timestamp, whatever the paths say."
    )

    @model_validator(mode="after")
    def _one_rule_for_the_day(self) -> LogSource:
        if self.day and is_template(self.path):
            raise FieldError("day", wrong=f"timestamp contradicts {self.path!r}, which names the day; keep one of them")
        return self


def _form(given: Any) -> str:
    return "source" if isinstance(given, dict | LogSource) else "path"


# A plain path is the simple form.
Log = Annotated[Annotated[_Path, Tag("path")] | Annotated[LogSource, Tag("source")], Discriminator(_form)]


def source_of(log: str | LogSource) -> LogSource:
    """The log's source, in whichever form the file has it."""
    return LogSource(path=log) if isinstance(log, str) else log


class Logs(SpecModel):
    """Where the logs are; relative paths start at the project's root."""

    shadow: Log | None = None
    exposures: Log
    outcomes: Log

    def source(self, name: str) -> LogSource:
        """Where one log is, by its name: shadow, exposures or outcomes."""
        return source_of(getattr(self, name))
