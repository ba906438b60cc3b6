"""push-dispatcher: the open push work pool."""

__version__ = "0.1.0"
