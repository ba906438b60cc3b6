"""The files that platforms require at the top of a package, beside the code."""

from __future__ import annotations

import json

MAIN = '''"""What Google's functions-framework loads: the function `tick`."""

from dispatcher.functions.cloud_function import tick

__all__ = ["tick"]
'''
"""https://cloud.google.com/run/docs/write-functions#directory-structure-python"""

MAIN_API = '''"""What Google's functions-framework loads: the functions `tick` and `api`."""

from dispatcher.functions.cloud_function import tick
from dispatcher.functions.cloud_function_api import api

__all__ = ["api", "tick"]
'''
"""One zip for both functions, which differ only in their entry point."""

FUNCTION_APP = '''"""What Azure's Python worker loads: the timer `tick` and the HTTP function `invoke`."""

from dispatcher.functions.azure_function import app

__all__ = ["app"]
'''

FUNCTION_APP_API = '''"""What Azure's Python worker loads: the HTTP API, at `/api/v1`."""

from dispatcher.functions.azure_function_api import app

__all__ = ["app"]
'''
"""The API alone: an app runs all of its functions, and one sign-in method applies to all of them."""

HOST = json.dumps({"version": "2.0", "functionTimeout": "00:01:00"}, indent=2) + "\n"
"""No retry, and no extension bundle: timers and HTTP are the host's own.

The time limit is a minute; the app setting AzureFunctionsJobHost__functionTimeout wins over it.
https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

SITE_PACKAGES = ".python_packages/lib/site-packages"
"""The directory, below the package's root, where Azure's Python worker looks for installed distributions."""
