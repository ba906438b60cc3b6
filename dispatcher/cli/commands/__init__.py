"""The commands: one module per noun, thin over `dispatcher.client`."""
