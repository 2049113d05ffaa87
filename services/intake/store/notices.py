"""The notices that people were shown."""

from schemas.notice_file import Notice
from services.chassis.db import Connection


async def keep_notice(conn: Connection, notice: Notice) -> None:
    """Keep what was shown, once for each text."""
    await conn.execute(
        """
        insert into intake.notice (sha256, version, language, title, text) values ($1, $2, $3, $4, $5)
        on conflict (sha256) do nothing
        """,
        notice.sha256,
        notice.version,
        notice.language,
        notice.title,
        notice.text,
    )
