"""The `lotse` command: each command lives in a module of its own and is registered in `main`."""
