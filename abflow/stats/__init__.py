"""Numbers in, numbers out: nothing here knows what an experiment is."""
