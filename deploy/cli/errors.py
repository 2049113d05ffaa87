"""How a command fails: one sentence and a way out."""

from deploy.local.errors import StackError


class CliError(StackError):
    """The command cannot do what it was asked; its user can do something about it."""
