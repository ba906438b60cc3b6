"""What commands print: JSON, tables and errors."""
