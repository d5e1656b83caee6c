"""The verbs, in their order: each step reads evidence, judges, and leaves evidence."""
