"""Who is calling: OAuth 2 bearer tokens (JWT) of trusted issuers become a Principal."""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from schemas.toml_file import parse_toml
from services.chassis.config import StartError
from services.chassis.log import describe

log = structlog.get_logger()

# Asymmetric only: with a shared-secret algorithm the public key itself would sign (key confusion).
ALGORITHMS = ["ES256", "RS256", "PS256"]
LEEWAY_SECONDS = 10
CACHED_TOKENS = 10_000
# A key the issuer took back is forgotten after the first, a new one is asked for after the second at the earliest.
KEPT_SECONDS = 600.0
REFRESH_SECONDS = 30.0
# What the library raises on tokens made to confuse it: not only its own errors.
UNREADABLE = (JoseError, ValueError, TypeError, KeyError, RecursionError)
MAX_TOKEN_BYTES = 8192
# An expiry beyond this is a number that no clock reaches, and that no float may hold.
FOR_EVER = float(2**53)


class InvalidToken(Exception):
    """The token cannot be trusted; the text says why without repeating it."""


class IssuerUnavailable(OSError):
    """The issuer's keys cannot be had now; it passes by itself."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: a partner's unit with its roles. Operators of the data centre belong to no partner ("")."""

    subject: str
    partner: str
    unit: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Issuer:
    """A trusted issuer: `jwks` is a file or an https address."""

    name: str
    audience: str
    jwks: str


def load_issuers(path: Path) -> Sequence[Issuer]:
    """Read the issuers file. Raises StartError naming file and key."""
    tables = parse_toml(path, StartError).get("issuer")
    if not isinstance(tables, list) or not tables:
        raise StartError(f"{path}: issuer is missing; it should be one table [[issuer]] or more.")
    issuers = [_issuer(path, number, table) for number, table in enumerate(tables, start=1)]
    for issuer in issuers:
        if not issuer.jwks.startswith("https://") and not (path.parent / issuer.jwks).is_file():
            raise StartError(f"{path}: jwks of {issuer.name} is neither a file nor an https address.")
    return [Issuer(each.name, each.audience, _absolute(path.parent, each.jwks)) for each in issuers]


def _issuer(path: Path, number: int, table: Any) -> Issuer:
    fields = ("name", "audience", "jwks")
    said: dict[str, str] = {}
    for field in fields:
        value = table.get(field) if isinstance(table, dict) else None
        if not isinstance(value, str) or not value or not value.isprintable():
            raise StartError(f"{path}: issuer {number}, {field} is missing or no text; it should be a line of text.")
        said[field] = value
    return Issuer(**said)


def _absolute(folder: Path, jwks: str) -> str:
    return jwks if jwks.startswith("https://") else str(folder / jwks)


class Verifier:
    """Checks tokens; a checked one is remembered until it expires."""

    def __init__(self, issuers: Sequence[Issuer], partners: frozenset[str]) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._partners = partners
        self._keys: dict[str, tuple[float, KeySet]] = {}
        self._loading: dict[str, asyncio.Task[KeySet]] = {}
        self._checked: dict[bytes, tuple[Principal, float]] = {}

    async def verify(self, token: str) -> Principal:
        """The caller behind a token. Raises InvalidToken."""
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidToken("the token is too long")
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        cached = self._checked.get(digest)
        if cached is not None and cached[1] > time.time():
            return cached[0]
        claims = await self._claims(token)
        principal = self._principal(claims)
        if len(self._checked) >= CACHED_TOKENS:
            self._checked.clear()
        self._checked[digest] = (principal, min(claims["exp"], FOR_EVER))
        return principal

    async def _claims(self, token: str) -> Mapping[str, Any]:
        issuer = self._issuers.get(_claimed_issuer(token))
        if issuer is None:
            raise InvalidToken("the token's issuer is not trusted here")
        try:
            decoded = jwt.decode(token, await self._key_set(issuer), algorithms=ALGORITHMS)
        except UNREADABLE as first_error:
            try:  # the issuer may have rotated its keys
                decoded = jwt.decode(token, await self._key_set(issuer, fresh=True), algorithms=ALGORITHMS)
            except UNREADABLE:
                raise InvalidToken("the token's signature is not valid") from first_error
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer.name},
            aud={"essential": True, "value": issuer.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            registry.validate(decoded.claims)
        except (JoseError, ValueError, TypeError) as error:
            raise InvalidToken(f"the token's claims are not valid: {getattr(error, 'error', 'claims')}") from error
        return decoded.claims

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        roles, partner, unit = claims.get("roles"), claims.get("partner", ""), claims.get("unit", "")
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise InvalidToken("the token's claim roles must be a list of texts")
        if not isinstance(partner, str) or not isinstance(unit, str):
            raise InvalidToken("the token's claims partner and unit must be texts")
        for name, text in (("sub", str(claims["sub"])), ("unit", unit), ("roles", "".join(roles))):
            if not text.isprintable():
                raise InvalidToken(f"the token's claim {name} holds control characters")
        if partner not in self._partners and not (partner == "" and roles == ["operator"]):
            raise InvalidToken("the token's partner is not part of the agreement")
        if unit and not unit.startswith(f"{partner}/"):
            raise InvalidToken("the token's unit does not belong to its partner")
        return Principal(str(claims["sub"]), partner, unit, frozenset(roles))

    async def _key_set(self, issuer: Issuer, *, fresh: bool = False) -> KeySet:
        """The issuer's keys, loaded again when they are old, or when a token fits none of them (`fresh`)."""
        known = self._keys.get(issuer.name)
        age = time.monotonic() - known[0] if known else KEPT_SECONDS
        if known and age < (REFRESH_SECONDS if fresh else KEPT_SECONDS):
            return known[1]
        try:
            return await self._load_once(issuer)
        except (OSError, ValueError, JoseError, aiohttp.ClientError) as error:
            if known:
                log.warning("issuer_keys_not_loaded", issuer=issuer.name, error=describe(error))
                return known[1]
            raise IssuerUnavailable(f"the keys of {issuer.name} cannot be loaded") from error

    async def _load_once(self, issuer: Issuer) -> KeySet:
        """Requests that need the keys at the same moment ask the issuer once, and all get what it says.

        Shielded: the caller that happens to be the first may go away.
        """
        loading = self._loading.get(issuer.name)
        if loading is None:
            loading = asyncio.create_task(self._load(issuer))
            self._loading[issuer.name] = loading
            loading.add_done_callback(lambda done: self._loaded(issuer, done))
        return await asyncio.shield(loading)

    async def _load(self, issuer: Issuer) -> KeySet:
        keys = KeySet.import_key_set(json.loads(await _load(issuer.jwks)))
        self._keys[issuer.name] = (time.monotonic(), keys)
        return keys

    def _loaded(self, issuer: Issuer, done: "asyncio.Task[KeySet]") -> None:
        del self._loading[issuer.name]
        if not done.cancelled():
            done.exception()  # looked at, although every caller may be gone


def _claimed_issuer(token: str) -> str:
    """The issuer the token says it is from, before anything about it is trusted."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["iss"])
    except (IndexError, ValueError, KeyError, TypeError, RecursionError):
        raise InvalidToken("the token is not a JWT") from None


async def _load(where: str) -> str:
    if where.startswith("https://"):
        return await _fetch(where)
    return await asyncio.to_thread(Path(where).read_text, "utf-8")


async def _fetch(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
        response.raise_for_status()
        return await response.text()
