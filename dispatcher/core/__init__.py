"""The pure core: data in, data out; no IO, clock, randomness or logging."""
