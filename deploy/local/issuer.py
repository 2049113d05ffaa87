"""The token issuer of a local stack: an ES256 key of its own, for trying things out and for tests."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import ECKey

from deploy.local.layout import Layout
from deploy.local.secrets import once

ISSUER = "https://issuer.lotse.localhost"
AUDIENCE = "lotse"


@dataclass(frozen=True)
class Issuer:
    """Issues bearer tokens that the services of one local stack trust."""

    folder: Path

    @property
    def issuers_file(self) -> Path:
        """What a service reads as LOTSE_ISSUERS_FILE."""
        return self.folder / "issuers.toml"

    @property
    def jwks_file(self) -> Path:
        return self.folder / "jwks.json"

    def write_public_files(self) -> None:
        """Write the public key and the list of trusted issuers beside the private key."""
        self.jwks_file.write_text(json.dumps({"keys": [self._key().as_dict(private=False)]}))
        self.issuers_file.write_text(
            f'[[issuer]]\nname = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks = {json.dumps(str(self.jwks_file))}\n'
        )

    def issue_token(
        self,
        partner: str,
        unit: str,
        roles: Sequence[str],
        ttl: timedelta = timedelta(hours=1),
        subject: str = "",
    ) -> str:
        """Sign a token for somebody of this unit. unit: "<partner>/<unit>". A negative ttl gives an expired token."""
        key, now = self._key(), datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject or f"{partner}:{roles[0] if roles else 'nobody'}",
            "partner": partner,
            "unit": unit,
            "roles": list(roles),
            "iat": int(now.timestamp()),
            "nbf": int(min(now, now + ttl).timestamp()),
            "exp": int((now + ttl).timestamp()),
            "jti": str(uuid4()),
        }
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key, algorithms=["ES256"])

    def _key(self) -> ECKey:
        stored = once(self.folder / "private.jwk", _new_key)
        return ECKey.import_key(json.loads(stored))


def issuer_of(layout: Layout) -> Issuer:
    """The issuer of a stack, its files made when they are missing."""
    folder = layout.secrets / "issuer"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    issuer = Issuer(folder)
    issuer.write_public_files()
    return issuer


def _new_key() -> str:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    return json.dumps(key.as_dict(private=True))
