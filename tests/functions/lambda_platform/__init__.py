"""Lambda on this machine: the zip unpacked alone, AWS's own runtime client in it, and the runtime API that it asks for work."""
