"""Is the shadow log what was promised, and what does it say of the new version."""
