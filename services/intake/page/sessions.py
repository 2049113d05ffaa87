"""What the browser holds during a visit, all of it signed: session, form tokens, names of consents."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

VISIT = timedelta(minutes=15)
# The prefix makes browsers refuse it from a subdomain, over plain HTTP and for a part of the site.
COOKIE = "__Host-lotse"


@dataclass(frozen=True)
class Signer:
    """Signs with the page's own secret; each use has a name of its own, so that none passes for another."""

    secret: bytes

    def mac(self, use: str, *parts: bytes) -> bytes:
        """A keyed hash of these parts, for this use."""
        framed = b"".join(len(part).to_bytes(4) + part for part in (use.encode(), *parts))
        return hmac.new(self.secret, framed, hashlib.sha256).digest()

    def session(self, receipt_id: UUID, now: datetime) -> str:
        """The cookie of a visit that begins now."""
        said = receipt_id.bytes + int((now + VISIT).timestamp()).to_bytes(8)
        return base64.urlsafe_b64encode(said + self.mac("session", said)).decode()

    def receipt_of(self, session: str, now: datetime) -> UUID | None:
        """Whose visit it is; None when it is over or the cookie is not ours."""
        try:
            raw = base64.b64decode(session, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        said, mac = raw[:24], raw[24:]
        if not hmac.compare_digest(mac, self.mac("session", said)):
            return None
        ends = datetime.fromtimestamp(int.from_bytes(said[16:]), UTC)
        return UUID(bytes=said[:16]) if now < ends else None

    def form_token(self, session: str, form: str) -> str:
        """What a form of this visit carries, so that no other site can send it."""
        return self.mac("form", session.encode(), form.encode()).hex()

    def is_form_token(self, token: str, session: str, form: str) -> bool:
        """Whether the form was ours."""
        return hmac.compare_digest(token.encode(), self.form_token(session, form).encode())

    def handle(self, receipt_id: UUID, consent_id: UUID) -> str:
        """How a consent is called in addresses: by no id that means something elsewhere."""
        return self.mac("consent", receipt_id.bytes, consent_id.bytes)[:16].hex()
