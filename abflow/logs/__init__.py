"""Where a day's log files are, and how DuckDB reads them, whatever their format."""
