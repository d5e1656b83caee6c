"""Airflow: the only code that imports it. DAGs hand a day to the lifecycle and show what came of it."""
