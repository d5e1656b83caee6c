"""The engine's SQL on Spark: the same statements, translated, for days that are too large for one machine."""
