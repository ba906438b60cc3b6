"""What Google's services have in common: accounts, identity, labels. Nothing here imports Google's SDK but `identity`."""
