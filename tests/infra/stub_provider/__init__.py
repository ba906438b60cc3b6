"""A Terraform provider that has the real providers' schemas and no cloud behind it; see README.md."""
