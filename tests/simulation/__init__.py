"""Seeded worlds in which real ticks overlap, crash and lose answers; see README.md beside this file."""
