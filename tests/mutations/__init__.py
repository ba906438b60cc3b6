"""A mutation run over the core: each line is changed in a small way, and a test has to fail."""
