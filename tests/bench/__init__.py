"""`make bench`: what Lotse does in a second, beside the bare loop that does the least it could do."""
