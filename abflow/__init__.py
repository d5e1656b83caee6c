"""abflow: from shadow log to registry, one experiment file at a time."""

__version__ = "0.1.0"
