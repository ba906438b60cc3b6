"""Local clouds that speak the real wire protocols, for our tests and for our users'."""
