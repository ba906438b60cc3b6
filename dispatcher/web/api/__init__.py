"""The HTTP API: everything that the Python client does, in the JSON shapes of `--json`. `application.py` puts it together."""
