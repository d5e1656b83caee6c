"""The question meets the numbers: populations become readouts, readouts become verdicts; all of it pure."""
