"""The second part: what comes between, from an announced change to a training."""
