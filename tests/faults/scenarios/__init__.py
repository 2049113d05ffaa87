"""The faults, each a function that strikes while the load goes on; `registry` has them by name."""
