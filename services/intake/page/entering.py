"""Opening the page with code and PIN: the same answer and the same work whether or not there is such a code."""

import asyncio
import ipaddress

from services.chassis import db
from services.chassis.db import Database
from services.intake.commands.receipts import is_pin, new_opening
from services.intake.model.receipts import code_hash, plain, read
from services.intake.page import store
from services.intake.page.sessions import Signer
from services.intake.page.store import OpenReceipt

# A counselling centre's visitors come from one address: more tries are free there than for one code.
FREE_TRIES_OF_ADDRESS = 30
# Somebody who sends many tries at once must not take all memory: each takes 19 MiB.
AT_ONCE = 2


class Door:
    """Lets in whoever has the code and the PIN."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database = database
        self._signer = signer
        self._turn = asyncio.Semaphore(AT_ONCE)
        _, self._nobodys = new_opening("no PIN is this")

    async def open(self, code_text: str, pin_text: str, address: str) -> OpenReceipt | None:
        """The receipt that code and PIN open; None for any reason not to, too many tries among them."""
        code, pin = read(code_text[:100]), plain(pin_text)[:20]
        hashed = code_hash(code) if code else b""
        subjects = self._signer.mac("code", hashed), self._signer.mac("address", _network(address).encode())
        async with self._database.transaction() as conn:
            now = await db.now(conn)
            # Both are counted in any case; the address last, as in every other try: no two wait crosswise.
            may_code = not code or await store.count_try(conn, subjects[0], store.FREE_TRIES, now)
            may_address = await store.count_try(conn, subjects[1], FREE_TRIES_OF_ADDRESS, now)
            await store.forget_old_tries(conn, now)
            receipt = await store.receipt_by_code(conn, hashed)
        async with self._turn:
            fits = await asyncio.to_thread(is_pin, pin, receipt.pin_hash if receipt else self._nobodys.pin_hash)
        if receipt is None or not (fits and may_code and may_address):
            return None
        async with self._database.transaction() as conn:
            await store.forget_tries(conn, subjects[0])
        return receipt


def _network(address: str) -> str:
    """Who counts as one: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
