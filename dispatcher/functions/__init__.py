"""Entry points: one module per platform that starts a tick.

A package that was built for another platform says so here, before anything of it is imported.
"""

import gc

from dispatcher.built_for import check

OBJECTS_BETWEEN_COLLECTIONS = 20_000
"""Python's own 700 make it look for cycles 150 times in a cold start, for 30 ms of CPU, and there are next to none."""

gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
check()
