"""The shapes of the plots, for a wide page and for a telephone, and their colours."""

from __future__ import annotations

from dataclasses import dataclass

# The page defines these colours, so that the plots follow its light and dark dress.
INK, SOFT, LINE, BAND, PAPER = (f"var(--{name})" for name in ("ink", "soft", "line", "band", "paper"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things stand in a row, in pixels.

    Attributes:
        left: Width of the column of names; the plot begins right of it.
        name_at: Height of the name within its row; then of the detail, the interval and the marks' names.
        names_beside: Whether names and numbers stand beside the interval, or above it.
        longest: Characters of a name that fit.
        ticks: About how many numbers the axis shows.
    """

    left: int
    plot: int
    right: int
    row: int
    name_at: int
    detail_at: int
    interval_at: int
    marks_at: int
    names_beside: bool
    longest: int
    ticks: int

    @property
    def width(self) -> int:
        """Of the whole picture."""
        return self.left + self.plot + self.right


WIDE = Layout(
    left=240,
    plot=560,
    right=180,
    row=66,
    name_at=26,
    detail_at=44,
    interval_at=28,
    marks_at=56,
    names_beside=True,
    longest=32,
    ticks=8,
)
NARROW = Layout(
    left=10,
    plot=320,
    right=10,
    row=96,
    name_at=18,
    detail_at=35,
    interval_at=58,
    marks_at=86,
    names_beside=False,
    longest=26,
    ticks=5,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysLayout:
    """Sizes of a plot over days, in pixels.

    Attributes:
        labels: Days that are named below the axis.
        dot: Area of a day's dot.
    """

    left: int
    plot: int
    right: int
    height: int
    labels: int
    dot: int


WIDE_DAYS = DaysLayout(left=84, plot=856, right=40, height=190, labels=7, dot=70)
NARROW_DAYS = DaysLayout(left=66, plot=240, right=34, height=170, labels=3, dot=55)
