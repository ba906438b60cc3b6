"""push-dispatcher: the open push work pool."""

__version__ = "0.2.0"
"""The one source of the version: pyproject.toml reads it here, and the changelog's newest section names it."""
