"""What the API client does with answers that a real server gives rarely."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from abflow.errors import AbflowError
from abflow.local.airflow_api import TRIES, AirflowApi
from abflow.local.airflow_records import log_line

LOCKED = httpx.Response(500, json={"detail": {"orig_error": "database is locked"}})


def api_that_answers(answers: Iterator[httpx.Response]) -> AirflowApi:
    transport = httpx.MockTransport(lambda _: next(answers))
    return AirflowApi(httpx.Client(base_url="http://airflow.test", transport=transport))


def test_a_request_that_met_a_locked_database_is_repeated() -> None:
    answers = iter([LOCKED, LOCKED, httpx.Response(200, json={"dags": []})])
    assert api_that_answers(answers).progress("any") == {}
    assert next(answers, None) is None


def test_a_database_that_stays_locked_is_reported() -> None:
    answers = iter([LOCKED] * (TRIES + 1))
    with pytest.raises(AbflowError, match=r"500: .*database is locked"):
        api_that_answers(answers).unpause("any")
    assert len(list(answers)) == 1


def test_any_other_error_is_reported_at_once() -> None:
    answers = iter([httpx.Response(500, text="a bug"), httpx.Response(200, json={})])
    with pytest.raises(AbflowError, match="with 500: a bug"):
        api_that_answers(answers).unpause("any")
    assert len(list(answers)) == 1


def test_run_ids_are_quoted_in_addresses() -> None:
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200, json={})

    client = httpx.Client(base_url="http://airflow.test", transport=httpx.MockTransport(answer))
    AirflowApi(client).set_task_state("any", "manual__2026-01-01T00:00:00+00:00", "greet", "success")
    assert seen == [b"/api/v2/dags/any/dagRuns/manual__2026-01-01T00%3A00%3A00%2B00%3A00/taskInstances/greet"]


def test_a_log_line_carries_its_exception() -> None:
    message = {
        "timestamp": "2026-01-01T00:00:00Z",
        "level": "error",
        "event": "Task failed with exception",
        "error_detail": [{"exc_type": "ValueError", "exc_value": "broken on purpose", "frames": []}],
    }
    assert log_line(message) == ("2026-01-01T00:00:00Z error Task failed with exception ValueError: broken on purpose")
