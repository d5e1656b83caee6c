"""Realistic logs whose truth is known."""
