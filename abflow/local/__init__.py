"""A real Airflow and a real MLflow on one machine: for the demo, for a look around, for the tests."""
