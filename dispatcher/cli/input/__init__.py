"""Values from the command line, and from the files that it names."""
