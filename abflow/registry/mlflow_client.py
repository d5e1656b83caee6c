"""One MLflow client that answers or fails within seconds, in abflow's words."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from abflow.errors import RegistryError, RegistryUnreachable

# MLflow's own defaults wait about four minutes before they say that a server is down.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def mlflow_client(tracking_uri: str) -> Any:
    """A client for tracking and registry; patience set in the environment beforehand is respected."""
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


@contextmanager
def mlflow_errors(tracking_uri: str, doing: str) -> Iterator[None]:
    """Turn what MLflow raises into one error that says where, what and what to do.

    Raises:
        RegistryUnreachable: The server does not answer.
        RegistryError: It answered, with a refusal.
    """
    import requests
    from mlflow.exceptions import MlflowException

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*[Ss]tage.*", category=FutureWarning)
            yield
    except (MlflowException, requests.exceptions.RequestException, OSError) as error:
        text = str(error)
        if _is_unreachable(text) or not isinstance(error, MlflowException):
            raise RegistryUnreachable(
                f"MLflow at {tracking_uri} does not answer ({doing}). Start it, or correct MLFLOW_TRACKING_URI; "
                "nothing was changed"
            ) from error
        raise RegistryError(f"MLflow at {tracking_uri} refused ({doing}): {text.splitlines()[0]}") from error


def _is_unreachable(text: str) -> bool:
    signs = (
        "Max retries exceeded",
        "Connection refused",
        "ConnectionError",
        "failed with exception",
        "timed out",
    )
    return any(sign in text for sign in signs)
