"""Handing a person a receipt, blocking it, and what a PIN is kept as."""

import os
from datetime import datetime

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from services.chassis.db import Connection
from services.intake.model.receipts import CODE_BYTES, CaseReferences, Opening, Receipt, code_hash
from services.intake.store import receipts as store


def new_opening(pin: str) -> tuple[bytes, Opening]:
    """A new code, and what is kept of it and of the PIN. Takes some 40 ms of one core and 19 MiB: not for the loop.

    Source: OWASP Password Storage Cheat Sheet, argon2id with 19 MiB, two passes, one lane.
    """
    code = os.urandom(CODE_BYTES)
    derive = Argon2id(salt=os.urandom(16), length=32, iterations=2, lanes=1, memory_cost=19 * 1024)
    return code, Opening(code_hash(code), derive.derive_phc_encoded(pin.encode()))


def is_pin(pin: str, pin_hash: str) -> bool:
    """Whether this is the PIN. Takes as long as `new_opening`, right or wrong."""
    try:
        Argon2id.verify_phc_encoded(pin.encode(), pin_hash)
    except InvalidKey:
        return False
    return True


async def hand_out(conn: Connection, receipt: Receipt, references: CaseReferences) -> None:
    """Store a receipt; the person's earlier ones open nothing any more. The case is locked."""
    await store.block_receipts_of(conn, receipt.case_id, receipt.made_at)
    await store.insert_receipt(conn, receipt, references)


async def block(conn: Connection, receipt: Receipt, now: datetime) -> None:
    """A lost receipt opens nothing any more."""
    await store.block_receipt(conn, receipt.receipt_id, now)
