"""Two tasks of one day write the same new tag at the same moment; such a moment cannot be had on demand."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from abflow.errors import RegistryError
from abflow.registry.tracking import MlflowTracking

LOST = "(sqlite3.IntegrityError) UNIQUE constraint failed: tags.key, tags.run_uuid"


class Racing:
    """A client whose first write of a tag fails."""

    def __init__(self, words: str) -> None:
        self.words: str | None = words
        self.tags: dict[str, str] = {}

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        words, self.words = self.words, None
        if words:
            raise MlflowException(words)
        self.tags[key] = value

    def log_text(self, *_: Any) -> None:
        return None


def tracking(client: Racing) -> MlflowTracking:
    found = MlflowTracking("http://mlflow", "abflow", "churn_v3")
    found.__dict__.update(_client=client, _run_id="run")
    return found


def test_who_comes_second_writes_again() -> None:
    client = Racing(LOST)
    tracking(client).blueprint({"owner": "us", "unit": "user_id"}, "{}")
    assert client.tags == {"abflow.owner": "us", "abflow.unit": "user_id"}


def test_another_refusal_is_told() -> None:
    with pytest.raises(RegistryError, match=r"writing the blueprint of 'churn_v3'.*too long"):
        tracking(Racing("the tag is too long")).blueprint({"owner": "us"}, "{}")
