"""What would change in the model registry, changing it, and the chain of decisions that says why."""
