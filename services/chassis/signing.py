"""An Ed25519 key of this service: it signs what others verify with the published half."""

import hashlib
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.chassis.config import Settings, StartError, read_secret

SEED_BYTES = 32


@dataclass(frozen=True)
class SigningKey:
    """A private key and how its public half is called."""

    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        """The fingerprint by which it is published."""
        return key_id_of(self.public)

    def sign(self, text: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self.private.sign(text)


def load_signing_key(settings: Settings, name: str) -> SigningKey:
    """Read the key from its secret. Raises StartError."""
    seed = read_secret(settings, name)
    if len(seed) != SEED_BYTES:
        raise StartError(f"Secret {name} must have 64 hex digits (32 bytes).")
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed))


def is_signed(public: bytes, signature: bytes, text: bytes) -> bool:
    """Whether the owner of that public key signed exactly this."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id_of(public: bytes) -> str:
    """The JWK thumbprint (RFC 7638, RFC 8037): base64url of the SHA-256 of the key's required members."""
    members = json.dumps(_members(public), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(members.encode()).digest())


def jwk(public: bytes) -> dict[str, Any]:
    """The public key as a JSON Web Key."""
    return {**_members(public), "kid": key_id_of(public), "use": "sig"}


def _members(public: bytes) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public)}


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
