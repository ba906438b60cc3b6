"""Adapters behind `dispatcher.store`, one module per database."""
