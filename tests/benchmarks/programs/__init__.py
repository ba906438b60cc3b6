"""Programs that a benchmark starts as cold processes: `python -m tests.benchmarks.programs.NAME`."""
