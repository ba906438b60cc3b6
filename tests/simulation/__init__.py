"""Seeded whole ticks of the real tick, overlapping, crashing, losing answers; see README.md beside this file."""
