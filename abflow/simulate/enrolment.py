"""When units enter the test and how often they come, on average: sums over the hours of the calendar.

Sessions are a Poisson process that follows the hours and weekdays and ends after an exponential time. That
time has no memory, so a unit of the A/A that comes back in the test has as much ahead of it as a newcomer.
"""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np

from abflow.simulate.clock import HOURS, Floats, day_factor
from abflow.simulate.truth import Truth
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec


def expected_enrolment(spec: ExperimentSpec, truth: Truth) -> Floats:
    """Expected number of units that enter the test in each of its hours, in all variants together.

    Before any exposures are lost: newcomers, and units of the A/A that come back.
    """
    test, aa = calendar_of(spec).test, calendar_of(spec).aa
    leave = 1 / (24 * truth.active_days)
    waiting = 0.0
    if aa:
        for number, day in enumerate(aa.days_through(aa.last)):
            age = 24 * ((test.start - aa.start).days - number) - np.arange(24) - 0.5
            newcomers = truth.units_per_day * day_factor(truth, day) * HOURS / 24
            waiting += float(np.sum(newcomers * np.exp(-leave * age)))
    entering = np.zeros(24 * test.enroll_days)
    visits = _sessions_per_hour(spec, truth)
    for hour in range(len(entering)):
        day = test.start + timedelta(days=hour // 24)
        gone = visits[hour] + leave
        stay = math.exp(-gone)
        newcomers = truth.units_per_day * day_factor(truth, day) * HOURS[hour % 24] / 24
        entering[hour] = newcomers + waiting * (1 - stay) * visits[hour] / gone
        waiting *= stay
    return entering


def expected_exposures(spec: ExperimentSpec, truth: Truth, window: int | None) -> float:
    """Exposures of a unit: its first, and the sessions that follow while it is active."""
    visits, entering = _sessions_per_hour(spec, truth), expected_enrolment(spec, truth)
    stay = math.exp(-1 / (24 * truth.active_days))
    ahead = np.zeros(len(visits) + 1)  # sessions to come for a unit that is active at the start of an hour
    for hour in range(len(visits) - 1, -1, -1):
        ahead[hour] = math.sqrt(stay) * visits[hour] + stay * ahead[hour + 1]
    middle = (ahead[:-1] + ahead[1:]) / 2
    start = np.arange(len(entering))
    if window is None:
        return 1 + float(np.average(middle[start], weights=entering))
    end = start + 24 * window
    mature = end < len(visits)
    later = middle[np.minimum(end, len(visits) - 1)]
    following = middle[start] - math.exp(-window / truth.active_days) * later
    return 1 + float(np.average(following[mature], weights=entering[mature]))


def _sessions_per_hour(spec: ExperimentSpec, truth: Truth) -> Floats:
    """Sessions of an active unit in each hour of the test."""
    test = calendar_of(spec).test
    days = [day_factor(truth, day) for day in test.days_through(test.last)]
    return truth.returning * np.outer(days, HOURS / 24).ravel()
