"""`python -m providers.emulators NAME`."""

import sys

from providers.emulators.command import main

sys.exit(main())
