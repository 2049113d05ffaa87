"""The disclosure log for those it is about: each partner reads its own chain and can verify it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from schemas.disclosure_chain import ChainedDisclosure, Head, Kind
from services.chassis import signing
from services.chassis.api import Caller, context_of
from services.chassis.permissions import allowed
from services.chassis.problems import documented
from services.intake.store import disclosures

LARGEST_NUMBER = 2**63 - 1

router = APIRouter(prefix="/v1/disclosures", tags=["disclosures"], responses=documented(401, 403, 422))

Limit: TypeAlias = Annotated[int, Query(ge=1, le=1000)]
Hash: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class DisclosureRow(BaseModel):
    """One row of your chain. Its `hash` is the SHA-256 of all its other fields as canonical JSON (RFC 8785)."""

    recipient: str
    number: int = Field(description="Gapless, from 1.")
    kind: Kind = Field(description="How the row came into the chain.")
    disclosure_id: UUID
    disclosed_at: datetime = Field(description="UTC, always with microseconds and Z.")
    referral_id: UUID | None
    case_ref: str | None
    to_unit: str | None
    fetched_by: str | None = Field(description="The `sub` of the token.")
    consent_refs: list[str]
    data_categories: list[str]
    epoch: int | None = Field(description="In rows of the kind `restored` only.")
    previous_hash: Hash
    hash: Hash


class DisclosurePage(BaseModel):
    """Rows of your chain, in order."""

    disclosures: list[DisclosureRow]
    next_after: int | None = Field(description="Ask again with this `after`; null when this was all.")


class SignedHead(BaseModel):
    """The last row of your chain after a day. Signed is all but `key_id` and `signature`, as canonical JSON."""

    type: Literal["lotse.disclosure-head.v1"]
    recipient: str
    day: date
    number: int
    hash: Hash
    key_id: str
    signature: str = Field(description="Ed25519, 128 hex digits.")


class SignedHeadPage(BaseModel):
    """Signed heads, the oldest first."""

    heads: list[SignedHead]
    next_after: date | None = Field(description="Ask again with this `after`; null when this was all.")


class PublicKey(BaseModel):
    """A JSON Web Key (RFC 8037); `kid` is its thumbprint (RFC 7638)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    first_used_at: datetime
    last_used_at: datetime


class PublicKeys(BaseModel):
    """Every key that ever signed a head, the oldest first."""

    keys: list[PublicKey]


# The bodies are written as they are, not through the models above: what was hashed and signed is this very JSON.
@router.get("", **allowed("read-own-disclosures"), response_model=DisclosurePage)
async def read_disclosures(
    request: Request,
    caller: Caller,
    after: Annotated[int, Query(ge=0, le=LARGEST_NUMBER, description="The last number you have seen.")] = 0,
    limit: Limit = 100,
) -> Response:
    """What the caller's partner fetched at the gate, row by row as it stands in the partner's own hash chain."""
    async with context_of(request).database.reading() as conn:
        rows = await disclosures.chain_after(conn, caller.partner, after, limit)
    next_after = rows[-1].number if len(rows) == limit else None
    return JSONResponse({"disclosures": [_row(row) for row in rows], "next_after": next_after})


@router.get("/heads", **allowed("read-own-disclosures"), response_model=SignedHeadPage)
async def read_heads(
    request: Request,
    caller: Caller,
    after: Annotated[date | None, Query(description="The last day you have seen.")] = None,
    limit: Limit = 100,
) -> Response:
    """The signed heads of the caller's partner's chain: keep them, they are what a rewritten chain cannot match."""
    async with context_of(request).database.reading() as conn:
        heads = await disclosures.signed_heads_after(conn, caller.partner, after, limit)
    next_after = heads[-1][0].day.isoformat() if len(heads) == limit else None
    return JSONResponse({"heads": [_head(*each) for each in heads], "next_after": next_after})


@router.get("/keys", **allowed("read-own-disclosures"), response_model=PublicKeys)
async def read_keys(request: Request, caller: Caller) -> Response:
    """The public keys that heads are verified with, former ones too, as a JWK Set."""
    async with context_of(request).database.reading() as conn:
        keys = await disclosures.signing_keys(conn)
    return JSONResponse({"keys": [_key(**each) for each in keys]})


def _row(row: ChainedDisclosure) -> dict[str, Any]:
    return row.fields() | {"hash": row.row_hash.hex()}


def _head(head: Head, key_id: str, signature: bytes) -> dict[str, Any]:
    return head.fields() | {"key_id": key_id, "signature": signature.hex()}


def _key(public_key: bytes, first_used_at: datetime, last_used_at: datetime) -> dict[str, Any]:
    used = {"first_used_at": first_used_at.isoformat(), "last_used_at": last_used_at.isoformat()}
    return signing.jwk(public_key) | used
