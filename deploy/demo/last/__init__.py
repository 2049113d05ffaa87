"""The last part: everything is taken back, every stream is looked through, and the agreement is counted."""
