"""Where values rest between steps: one folder per experiment, each file written whole or not at all."""
