"""Providers: each carries rendered jobs to one kind of infrastructure. They know nothing of the dispatcher."""
