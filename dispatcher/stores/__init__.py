"""Adapters behind `dispatcher.protocols`, one module per database."""
