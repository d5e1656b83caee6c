"""Is a share above the limit that nobody may exceed? A test that may be read after every request."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError, SpecError

# What the true share may be when it is too high: from a quarter above the limit to everything on fire.
TIMES_LIMIT = (1.25, 1.5, 2.0, 4.0, 8.0, 16.0)
# A share within the limit ever reaches this evidence with a chance of at most 1 in 1 000.
ROLL_BACK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitEvidence:
    """Evidence so far against a share being within its limit.

    Attributes:
        rate: Share of requests with the event so far; None before the first request.
        limit: The share allowed.
        log_e: Logarithm of the e-value; 0 says nothing, above ln(1000) the limit is exceeded.
        events: Requests with the event.
        requests: Requests in all.
        method: Name of the test.
    """

    rate: float | None
    limit: float
    log_e: float
    events: int
    requests: int
    method: str

    @property
    def exceeded(self) -> bool:
        """Whether the canary must be rolled back."""
        return self.log_e >= math.log(ROLL_BACK)


def limit_evidence(events: int, requests: int, *, limit: float) -> LimitEvidence:
    """Evidence that more than a share `limit` of requests fail, are slow, or whatever is counted.

    E = mean of λ^k ((1 - λL) / (1 - L))^(n - k) over λ from 1.25 to 16, with k events in n requests and the limit L.

    The mean of likelihood ratios against the limit, for true shares of 1.25 to 16 times the limit; shares of 1
    and more are no alternatives and drop out. It may be read after every request: as long as no request's
    chance of the event, given those before it, is above the limit, the evidence ever reaches 1 000 with a
    chance of at most 1 in 1 000. Stopping when the rate so far is above the limit, from request 100 on, ends a
    quarter of the canaries whose share is half a limit of 2 %. Requests of one unit that fail together break
    the promise; then count units.

    Args:
        events: Requests with the event so far.
        requests: All requests so far.
        limit: The share allowed, such as 0.02.

    Raises:
        DataError: The counts are impossible.
        SpecError: No share 1.25 times the limit exists, or the limit allows no event at all.

    References:
        Wald (1945), Annals of Mathematical Statistics 16, 117-186 (mixture of sequential ratios); Ville (1939)
        for the chance of ever reaching a value.
    """
    if not 0 <= events <= requests:
        raise DataError(
            f"{events} events in {requests} requests; give 0 events or more and at most as many as requests"
        )
    return LimitEvidence(
        rate=events / requests if requests else None,
        limit=limit,
        log_e=float(log_e_values(events, requests, limit=limit)),
        events=events,
        requests=requests,
        method="mixture of Bernoulli likelihood ratios",
    )


def log_e_values(events: ArrayLike, requests: ArrayLike, *, limit: float) -> NDArray[np.float64]:
    """Log of the e-value for many counts at once.

    Args:
        events: Requests with the event, any shape.
        requests: All requests, same shape.
        limit: The share allowed.

    Raises:
        SpecError: No share 1.25 times the limit exists, or the limit allows no event at all.

    References:
        Those of `limit_evidence`.
    """
    if not 0 < limit * TIMES_LIMIT[0] < 1:
        raise SpecError(
            f"limit {limit:g} must be above 0 and below {1 / TIMES_LIMIT[0]:g}; 0.02 allows 2 % of requests"
        )
    shares = np.array([times * limit for times in TIMES_LIMIT if times * limit < 1])
    hits = np.asarray(events, dtype=np.float64)[..., None]
    misses = np.asarray(requests, dtype=np.float64)[..., None] - hits
    logs = hits * np.log(shares / limit) + misses * (np.log1p(-shares) - math.log1p(-limit))
    log_e: NDArray[np.float64] = np.logaddexp.reduce(logs, axis=-1) - math.log(len(shares))
    return log_e
