"""What proves the engine: seeded studies of how often each method errs, against what it promises."""
