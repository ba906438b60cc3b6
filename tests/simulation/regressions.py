"""Seeds that break a promise when a fault that was once found is put back.

A seed means something only to the generator that it was found with: when the generator changes, find new ones (take the rule
out, as `sabotage.py` does, and see which seed notices). That is why every fault also has a plain test.
"""

REGRESSIONS: tuple[tuple[int, str, str], ...] = (
    (43, "memory", "clocks of two invocations differ, and a job still hidden was taken for gone (test_reconciliation)"),
    (67, "sqlite", "an observation was judged by the time at which its answer came (test_what_the_simulation_found)"),
    (
        954,
        "memory",
        "a refused repeat was believed after a short lease, and the first submission came late (test_reconciliation)",
    ),
    (181, "sqlite", "what lingered was discarded while a late request could use its name (test_what_the_simulation_found)"),
)
"""Seed, store, and what was wrong. A tick that claimed on after its pace's end broke no promise but wasted its claims: it has a
plain test alone."""
