"""Shared by the providers for Google's services: accounts, identity, labels, regions. Only `identity` imports Google's SDK."""
