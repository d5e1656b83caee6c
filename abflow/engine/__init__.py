"""Logs become unit-days, unit-days become moments; the SQL is DuckDB's and stands in `sql/`."""
