"""Tokens made by somebody who knows how verifiers fail."""

import asyncio
import base64
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey

from deploy.local.issuer import AUDIENCE, ISSUER
from services.chassis.auth import MAX_TOKEN_BYTES, InvalidToken, Verifier, load_issuers
from tests.badinput.effort import FUZZ
from tests.badinput.mangled import json_values
from tests.harness import PARTNERS, issuer

UNIT = "awo-rheinland/mbe"


@pytest.fixture
def verifier(tmp_path: Path) -> Verifier:
    """Trusts the issuer of this test."""
    return Verifier(load_issuers(issuer(tmp_path).issuers_file), frozenset(PARTNERS))


@pytest.fixture
def key(tmp_path: Path) -> ECKey:
    """The issuer's private key."""
    issuer(tmp_path)
    return ECKey.import_key(json.loads((tmp_path / "issuer" / "private.jwk").read_text()))


def claims(**changed: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "partner": "awo-rheinland", "unit": UNIT}
    return {**said, "roles": ["system"], "iat": now, "nbf": now, "exp": now + 60, **changed}


def part(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def is_refused(verifier: Verifier, token: str) -> None:
    """And the reason repeats nothing of it."""
    with pytest.raises(InvalidToken) as caught:
        await verifier.verify(token)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 120
    assert UNIT not in str(caught.value)


@pytest.mark.parametrize("spelling", ["none", "None", "NONE", "nOnE", "", " none", 0, None, [], {}])
async def test_no_signature_under_any_spelling(verifier: Verifier, key: ECKey, spelling: Any) -> None:
    """With an empty signature, and with the one of another token."""
    real = jwt.encode({"alg": "ES256", "kid": key.kid}, claims(), key).split(".")
    for signature in ("", real[2]):
        await is_refused(verifier, f"{part({'alg': spelling, 'kid': key.kid})}.{real[1]}.{signature}")


@pytest.mark.parametrize("form", ["jwk", "jwks", "pem", "der", "x"])
async def test_the_public_key_is_no_shared_secret(verifier: Verifier, key: ECKey, tmp_path: Path, form: str) -> None:
    """Key confusion, in each form in which a public key lies around."""
    secret = {
        "jwk": json.dumps(key.as_dict(private=False)).encode(),
        "jwks": (tmp_path / "issuer" / "jwks.json").read_bytes(),
        "pem": key.as_pem(private=False),
        "der": key.as_der(private=False),
        "x": str(key.as_dict(private=False)["x"]).encode(),
    }[form]
    for algorithm, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        signed = f"{part({'alg': algorithm, 'kid': key.kid})}.{part(claims())}"
        await is_refused(verifier, f"{signed}.{part(hmac.digest(secret, signed.encode(), digest))}")


async def test_a_key_that_comes_with_the_token_is_not_used(verifier: Verifier, key: ECKey) -> None:
    """jwk, jku, x5u and x5c are the sender's words; so is a kid that is a path or a query."""
    own = ECKey.generate_key("P-256")
    public = own.as_dict(private=False)
    headers: list[dict[str, Any]] = [
        {"jwk": public},
        {"jwk": public, "kid": key.kid},
        {"jku": "https://attacker.example/jwks", "kid": key.kid},
        {"x5u": "https://attacker.example/x5u"},
        {"kid": "../../../../dev/null"},
        {"kid": "x' or '1'='1"},
        {"crit": ["exp"], "kid": key.kid},
        {"b64": False, "crit": ["b64"], "kid": key.kid},
    ]
    for header in headers:
        payload = f"{part({'alg': 'ES256', **header})}.{part(claims())}"
        signature = jwt.encode({"alg": "ES256"}, claims(), own).split(".")[2]
        await is_refused(verifier, f"{payload}.{signature}")


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1},
        {"exp": -1},
        {"exp": True},
        {"exp": None},
        {"exp": float("nan")},
        {"nbf": 99_999_999_999},
        {"nbf": 10**400},
        {"iat": 99_999_999_999},
        {"aud": "lotse2"},
        {"aud": ["other"]},
        {"aud": [["lotse"]]},
        {"aud": {"lotse": 1}},
        {"aud": ""},
        {"iss": [ISSUER]},
        {"iss": f"{ISSUER}/"},
        {"unit": "awo-rheinland/mbe\0"},
        {"unit": "awo-rheinland/\ud800"},
        {"unit": "awo-rheinland"},
        {"unit": ["awo-rheinland/mbe"]},
        {"roles": ["system\0"]},
        {"roles": [["system"]]},
        {"roles": {"system": 1}},
        {"partner": "", "unit": "", "roles": ["operator", "system"]},
        {"partner": "AWO-rheinland"},
        {"sub": None},
        {"sub": "\u202e"},
    ],
    ids=str,
)
async def test_claims_that_do_not_fit_are_refused_though_signed(
    verifier: Verifier, key: ECKey, changed: dict[str, Any]
) -> None:
    """Expired, not yet valid, for somebody else, of another form."""
    signed = jws.serialize_compact({"alg": "ES256", "kid": key.kid}, json.dumps(claims(**changed)).encode(), key)
    await is_refused(verifier, signed)


async def test_a_token_for_ever_is_taken_and_remembered(verifier: Verifier, key: ECKey) -> None:
    """How long it holds is its issuer's word, even as a number that no float can hold."""
    token = jwt.encode({"alg": "ES256", "kid": key.kid}, claims(exp=10**400), key)
    assert await verifier.verify(token) == await verifier.verify(token)


async def test_a_token_changed_in_any_character_is_refused(verifier: Verifier, key: ECKey) -> None:
    """Header, claims, signature; cut or doubled."""
    token = jwt.encode({"alg": "ES256", "kid": key.kid}, claims(), key)
    header, body, signature = token.split(".")
    for broken in (
        f"{header}.{part(claims(roles=['commissioner']))}.{signature}",
        f"{header}.{body}.{signature[:-4]}",
        f"{header}.{body}.{signature}AAAA",
        f"{header}.{body}.{signature}.{signature}",
        f"{header}.{body}",
        f".{body}.{signature}",
        f"{header}..{signature}",
        token + "a" * MAX_TOKEN_BYTES,
    ):
        await is_refused(verifier, broken)


@FUZZ
@given(header=json_values, body=json_values, signature=st.binary(max_size=70))
def test_any_three_parts_are_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, header: Any, body: Any, signature: bytes
) -> None:
    """Whatever stands in a token that nobody signed, the verifier says no and nothing else."""
    folder = tmp_path_factory.getbasetemp()
    verifier = Verifier(load_issuers(issuer(folder).issuers_file), frozenset(PARTNERS))
    trusted = {**body, "iss": ISSUER} if isinstance(body, dict) else body
    for claimed in (body, trusted):
        asyncio.run(is_refused(verifier, f"{part(header)}.{part(claimed)}.{part(signature)}"))
