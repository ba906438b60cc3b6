"""Google Cloud on this machine: the zip built as Google builds it, in functions-framework, and Google's tokens."""
