"""The clocks of the services of a stack that is thrown away.

Each service tells the time by its own database (`lotse_now()`): the machine's clock, and how far that is ahead. No API
moves it. Here it is moved by whoever holds the passwords of the databases, and only forward: what has happened at a
later time cannot be undone, so the stack is of no use afterwards.
"""

from datetime import timedelta

import asyncpg

from deploy.local import postgres, processes
from deploy.local.errors import StackError
from deploy.local.stack import Stack
from deploy.topology import SERVICES


async def set_clocks_ahead(stack: Stack, ahead: timedelta) -> None:
    """Put the clocks of all services so far ahead of the machine's.

    Raises StackError when the databases are not on a server that this stack started, and ValueError if that were to
    set a clock back.
    """
    if processes.running(stack.layout, postgres.NAME) is None:
        raise StackError("The clock of a database that was there before is not moved.", "Leave LOTSE_DATABASE_URL out.")
    for service in SERVICES:
        conn = await asyncpg.connect(stack.databases[f"lotse_{service.name}"])
        try:
            moved = await conn.fetchval("update chassis.clock set ahead = $1 where ahead <= $1 returning true", ahead)
        finally:
            await conn.close()
        if not moved:
            raise ValueError(f"the clock of {service.name} is ahead of {ahead} already")
