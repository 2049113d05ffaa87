"""Pages as HTML: what each shows, in the language of its address."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from schemas.partner_file import Partners
from services.intake.model.consents import Consent
from services.intake.page.sessions import Signer
from services.intake.page.store import OpenReceipt
from services.intake.paper.wording import (
    LANGUAGES,
    Wording,
    consent_rows,
    ended_rows,
    partner_name,
    unit_name,
    wording,
)
from services.intake.store.receipts import Fetch
from services.intake.store.rights import Telling

TEMPLATES = Environment(
    loader=PackageLoader("services.intake.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
SAFE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def render(name: str, words: Wording, status: int = 200, **values: Any) -> HTMLResponse:
    """One page."""
    html = TEMPLATES.get_template(name).render(words=words, t=words.page, languages=map(wording, LANGUAGES), **values)
    return HTMLResponse(html, status)


def about(consent: Consent, receipt: OpenReceipt, signer: Signer, words: Wording, partners: Partners) -> dict[str, Any]:
    """A consent in force with the way to withdraw it."""
    to = unit_name(partners, consent.wanted.to_unit)
    label = words.page["withdraw_this"].format(scope=words.scope[consent.wanted.scope], unit=to)
    handle = signer.handle(receipt.receipt_id, consent.consent_id)
    return {"handle": handle, "rows": consent_rows(consent, words, partners), "label": label}


def ended(consent: Consent, words: Wording, partners: Partners, now: datetime) -> Mapping[str, Any]:
    """One that has ended."""
    return {"rows": ended_rows(consent, words, partners, now)}


def fetched(fetch: Fetch, words: Wording, partners: Partners) -> Mapping[str, str]:
    """That somebody fetched something."""
    what = words.separator.join(words.category[each] for each in fetch.data_categories)
    return {"at": words.time(fetch.at), "unit": unit_name(partners, fetch.unit), "what": what}


def told(telling: Telling, words: Wording, partners: Partners) -> Mapping[str, str]:
    """That somebody was told something; what an event of a later kind says is left to the office to explain."""
    what = words.told.get(telling.type, telling.type)
    return {"at": words.time(telling.at), "unit": partner_name(partners, telling.partner), "what": what}
