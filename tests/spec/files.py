"""One good experiment file, and the files that differ from it in one place."""

from __future__ import annotations

GOOD = """\
experiment: churn_v3
hypothesis: v3's sequence features raise 7-day retention by at least 2 %
owner: growth-ml
model: churn
variants:
  control: {version: "@champion", weight: 0.5}
  treatment: {version: "@challenger", weight: 0.5}
unit: user_id
assignment: hash
phases:
  shadow: {start: 2026-10-01, days: 3}
  aa: {enroll_days: 7, days: 14}
  test: {enroll_days: 14, days: 21}
logs:
  shadow: data/logs/shadow
  exposures: data/logs/exposures
  outcomes: data/logs/outcomes
metrics:
  retained: {role: primary, kind: proportion, event: session, window_days: 7, mde: {relative: 0.02}}
  revenue: {role: guardrail, kind: mean, event: purchase, value: value, cap: p99.9, margin: {relative: -0.02}}
  tickets: {role: secondary, kind: count, event: ticket, direction: decrease}
analysis: {method: fixed_horizon, alpha: 0.05, power: 0.8, correction: holm}
sizing: {on_insufficient: {continue: this is all the traffic there is}}
promotion: {approval: required, alias: champion}
"""


def edited(old: str, new: str) -> str:
    """The good file with one part replaced."""
    assert GOOD.count(old) == 1, f"{old!r} stands {GOOD.count(old)} times in the good file"
    return GOOD.replace(old, new)
