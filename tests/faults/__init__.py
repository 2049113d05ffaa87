"""Promise 2 under faults: nothing that was acknowledged is lost, and nothing overtakes."""
