"""How Lotse is run: the command line, the local stack, partner and agreement files."""
