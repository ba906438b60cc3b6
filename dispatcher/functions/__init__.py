"""Entry points: one module per platform that starts a tick."""
