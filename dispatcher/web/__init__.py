"""The HTTP API and the page, over `dispatcher.client`. A tick imports nothing of it."""
