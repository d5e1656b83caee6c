"""Every picture is drawn once for all tests: the same bars and days give the same bytes, as their own tests show."""

from __future__ import annotations

from functools import cache

from abflow.report import results

for plot in ("interval_plot", "days_plot"):
    setattr(results, plot, cache(getattr(results, plot)))
