"""The referral service: `python -m services.referral.app` runs one process of it."""

from schemas import Topic
from services.chassis.adoption import Adoption
from services.chassis.app import run
from services.chassis.context import Context, Service
from services.chassis.handling import Handlers
from services.referral.api import ROUTERS
from services.referral.handlers import ADOPTION, HANDLERS, on_run
from services.referral.jobs import jobs
from services.referral.resources import open_resources


def _handlers(_context: Context) -> Handlers:
    return Handlers(topics=frozenset({Topic.CASES}), run=on_run, run_types=frozenset(HANDLERS))


def _adoption(_context: Context) -> Adoption:
    return ADOPTION


SERVICE = Service(
    name="referral",
    title="Lotse: directory and referrals",
    routers=ROUTERS,
    handlers=_handlers,
    jobs=jobs,
    resources=open_resources,
    adoption=_adoption,
)

if __name__ == "__main__":
    run(SERVICE)
