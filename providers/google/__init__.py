"""Shared by the providers for Google's services: accounts, identity, labels. Only `identity` imports Google's SDK."""
