"""Entry points: one module per platform that starts a tick.

A package that was built for another platform says so here, before anything of it is imported.
"""

from dispatcher.built_for import check

check()
