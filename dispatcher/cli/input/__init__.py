"""What people type and the files they name, as values."""
