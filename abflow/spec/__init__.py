"""Untrusted text becomes trusted values: the experiment file and what follows from it."""
