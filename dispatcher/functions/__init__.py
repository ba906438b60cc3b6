"""Entry points: one module per platform that starts a tick.

A package that was built for another platform says so here, before anything of it is imported.
"""

import gc

from dispatcher.environment.built_for import check

OBJECTS_BETWEEN_COLLECTIONS = 20_000
"""With Python's default of 700 the collector runs 150 times in a cold start, takes 30 ms of CPU, and finds next to nothing."""

gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
check()
