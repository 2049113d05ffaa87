"""One database per service, each owned by a role of its own that no other service can use."""

import asyncpg

from deploy.local.postgres import Postgres
from deploy.local.secrets import Secrets
from deploy.topology import DATABASES


async def create_databases(postgres: Postgres, secrets: Secrets) -> dict[str, str]:
    """Make the services' roles and databases where they are missing. Returns the URL of each database by name."""
    conn = await asyncpg.connect(postgres.admin_url)
    try:
        for name in DATABASES:
            await ensure_role(conn, name, secrets.postgres_password(name))
            await ensure_database(conn, name, owner=name)
    finally:
        await conn.close()
    return {name: postgres.url(name, name, secrets.postgres_password(name)) for name in DATABASES}


async def ensure_role(conn: asyncpg.Connection, role: str, password: str) -> None:
    """Make the role or give it this password. The administrator becomes a member, to hand databases over to it."""
    exists = await conn.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    verb = "ALTER" if exists else "CREATE"
    await conn.execute(f"{verb} ROLE {_name(role)} LOGIN PASSWORD {_literal(password)}")
    await conn.execute(f"GRANT {_name(role)} TO CURRENT_USER")


async def ensure_database(conn: asyncpg.Connection, name: str, owner: str, template: str = "template1") -> None:
    """Make the database if it is missing and close it to everybody but its owner."""
    if not await conn.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await conn.execute(f"CREATE DATABASE {_name(name)} OWNER {_name(owner)} TEMPLATE {_name(template)}")
    await conn.execute(f"REVOKE ALL ON DATABASE {_name(name)} FROM PUBLIC")


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
