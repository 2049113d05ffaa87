"""Tokens: whom we trust, for how long, and whom never."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from deploy.local.issuer import AUDIENCE, ISSUER
from services.chassis import auth
from services.chassis.auth import InvalidToken, IssuerUnavailable, Principal, Verifier, load_issuers
from services.chassis.db import is_transient
from tests.harness import PARTNERS, issuer

UNIT = "awo-rheinland/mbe"


@pytest.fixture
def verifier(tmp_path: Path) -> Verifier:
    """Trusts the issuer of this test."""
    return Verifier(load_issuers(issuer(tmp_path).issuers_file), frozenset(PARTNERS))


def claims(**changed: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "partner": "awo-rheinland", "unit": UNIT}
    return {**given, "roles": ["system"], "iat": now, "exp": now + 60, **changed}


def private_key(folder: Path) -> ECKey:
    return ECKey.import_key(json.loads((folder / "issuer" / "private.jwk").read_text()))


def signed(folder: Path, **changed: Any) -> str:
    key = private_key(folder)
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims(**changed), key)


async def test_a_good_token_is_a_principal_and_is_remembered(verifier, tmp_path, monkeypatch) -> None:
    """The second look costs no signature check."""
    token = signed(tmp_path)
    expected = Principal("x", "awo-rheinland", UNIT, frozenset({"system"}))
    assert await verifier.verify(token) == expected
    monkeypatch.setattr(verifier, "_claims", None)
    assert await verifier.verify(token) == expected


async def test_a_remembered_token_ends_when_it_expires(verifier, tmp_path, monkeypatch) -> None:
    """The memory does not outlive the token."""
    token = signed(tmp_path)
    await verifier.verify(token)
    real = auth.time.time
    monkeypatch.setattr(auth.time, "time", lambda: real() + 3600)
    with pytest.raises(InvalidToken):
        await verifier.verify(token)


async def test_the_memory_is_bounded(verifier, tmp_path, monkeypatch) -> None:
    """It starts anew rather than grow."""
    monkeypatch.setattr(auth, "CACHED_TOKENS", 1)
    for subject in ("a", "b", "c"):
        await verifier.verify(signed(tmp_path, sub=subject))
    assert len(verifier._checked) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://elsewhere"},
        {"aud": "another"},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 99999999999},
        {"roles": "clerk"},
        {"roles": [1]},
        {"roles": None},
        {"partner": "nobody", "unit": "nobody/x"},
        {"partner": 7},
        {"sub": "a\x00b"},
        {"partner": ""},
        {"unit": "stadt-koblenz/integration"},
    ],
)
async def test_wrong_claims_are_refused(verifier, tmp_path, changed) -> None:
    """Signed by the right key, and still not for us."""
    with pytest.raises(InvalidToken):
        await verifier.verify(signed(tmp_path, **changed))


@pytest.mark.parametrize("missing", ["iss", "aud", "exp", "sub", "roles"])
async def test_missing_claims_are_refused(verifier, tmp_path, missing) -> None:
    """Each of these must be said."""
    key = private_key(tmp_path)
    said = {name: value for name, value in claims().items() if name != missing}
    with pytest.raises(InvalidToken):
        await verifier.verify(jwt.encode({"alg": "ES256", "kid": key.kid}, said, key))


async def test_an_operator_belongs_to_no_partner(verifier, tmp_path) -> None:
    """Of the data centre, and of nothing else."""
    principal = await verifier.verify(signed(tmp_path, partner="", unit="", roles=["operator"]))
    assert (principal.partner, principal.roles) == ("", {"operator"})


async def test_no_signature_and_a_shared_secret_are_refused(verifier, tmp_path) -> None:
    """alg=none, and the public key used as a secret (key confusion)."""
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=").decode()
    public = (tmp_path / "issuer" / "jwks.json").read_bytes()
    confused = jwt.encode({"alg": "HS256"}, claims(), OctKey.import_key(public), algorithms=["HS256"])
    foreign = ECKey.generate_key("P-256")
    odd = base64.urlsafe_b64encode(b'{"alg":"ES256","crit":[{}]}').rstrip(b"=").decode()
    stolen_name = jwt.encode({"alg": "ES256", "kid": private_key(tmp_path).kid}, claims(), foreign)
    for token in (
        f"{header}.{body}.",
        confused,
        stolen_name,
        f"{header}.{body}",
        f"{odd}.{body}.AAAA",
        "a.b.c",
        "é.é.é",
    ):
        with pytest.raises(InvalidToken):
            await verifier.verify(token)


async def test_a_new_key_of_the_issuer_is_found(verifier, tmp_path, monkeypatch) -> None:
    """The issuer rotated its key: one more look at its keys, and the token is good."""
    await verifier.verify(signed(tmp_path))
    (tmp_path / "issuer" / "private.jwk").unlink()
    issuer(tmp_path)
    monkeypatch.setattr(auth, "REFRESH_SECONDS", 0.0)
    assert await verifier.verify(signed(tmp_path))


async def test_keys_that_cannot_be_loaded_pass_by_themselves(verifier, tmp_path) -> None:
    """The issuer's outage is a 503, not a 401 and not a 500."""
    token = signed(tmp_path)
    (tmp_path / "issuer" / "jwks.json").write_text("{")
    with pytest.raises(IssuerUnavailable) as caught:
        await verifier.verify(token)
    assert is_transient(caught.value)


async def test_known_keys_bridge_an_outage_of_the_issuer(verifier, tmp_path, monkeypatch) -> None:
    """Keys that were good ten minutes ago are better than no answer."""
    await verifier.verify(signed(tmp_path))
    monkeypatch.setattr(auth, "KEPT_SECONDS", 0.0)
    token = signed(tmp_path, sub="another")
    (tmp_path / "issuer" / "jwks.json").write_text("{")
    assert await verifier.verify(token)


@pytest.mark.parametrize("works", [True, False])
async def test_callers_at_the_same_moment_ask_the_issuer_once(verifier, tmp_path, monkeypatch, works) -> None:
    """Many requests after a start are one request to the issuer, whether it answers or not; the next one is new."""
    asked, text = [], (tmp_path / "issuer" / "jwks.json").read_text() if works else "{"

    async def slow(where: str) -> str:
        asked.append(where)
        await asyncio.sleep(0.05)
        return text

    monkeypatch.setattr(auth, "_load", slow)
    tokens = [signed(tmp_path, sub=f"caller {number}") for number in range(20)]
    gone = asyncio.create_task(verifier.verify(tokens[0]))
    await asyncio.sleep(0.01)
    gone.cancel()
    answers = await asyncio.gather(*(verifier.verify(token) for token in tokens), return_exceptions=True)
    expected = Principal if works else IssuerUnavailable
    assert all(isinstance(answer, expected) for answer in answers)
    assert len(asked) == 1
    monkeypatch.setattr(auth, "KEPT_SECONDS", 0.0)
    await asyncio.gather(verifier.verify(signed(tmp_path, sub="late")), return_exceptions=True)
    assert len(asked) == 2


async def test_keys_are_fetched_over_http(tmp_path) -> None:
    """From an OIDC provider's address."""
    jwks = (issuer(tmp_path).jwks_file).read_text()

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(text=jwks)

    app = web.Application()
    app.router.add_get("/jwks", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        assert await auth._fetch(f"http://127.0.0.1:{port}/jwks") == jwks
        with pytest.raises(auth.aiohttp.ClientError):
            await auth._fetch(f"http://127.0.0.1:{port}/nothing")
    finally:
        await runner.cleanup()


async def test_an_https_address_is_asked_over_https(monkeypatch) -> None:
    """A file is read, an address is fetched."""

    async def fetched(url: str) -> str:
        return f"from {url}"

    monkeypatch.setattr(auth, "_fetch", fetched)
    assert await auth._load("https://issuer/jwks") == "from https://issuer/jwks"
