"""Airflow is imported here, and it writes to its home as soon as it is."""

from __future__ import annotations

import os
import tempfile

_home = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ.setdefault("AIRFLOW_HOME", _home.name)
