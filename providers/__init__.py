"""Providers: each carries rendered jobs to one kind of infrastructure. Providers do not know the dispatcher."""
