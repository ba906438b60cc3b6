"""What people start by hand, outside any tick: removing what nobody remembers, and moving a store's contents to another."""
