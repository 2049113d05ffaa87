"""What intake does: load, decide, save, tell."""
