"""The HTTP API and the page, over `dispatcher.client`. Nothing of it is imported by a tick."""
