"""What intake does while changes are refused: the gate while recovering, withdrawals always."""

import pytest

from services.chassis.admission import Reason
from tests.intake.builders import Desk, a_person, problem


@pytest.mark.parametrize("reason", ["recovering", "outbox-full"])
async def test_a_withdrawal_is_taken_while_other_changes_are_refused(desk: Desk, reason: Reason) -> None:
    """Whoever takes a consent back never waits for Kafka or for a restore."""
    case_ref = await desk.register()
    [consent_ref] = await desk.consent(case_ref)
    desk.intake.context.admission.close(reason)
    problem(await desk.post("stadt-koblenz/integration", "/v1/persons", a_person()), 503, reason)
    assert (await desk.withdraw(consent_ref)).status_code == 200
    assert await desk.published_types("lotse.consent") == ["lotse.consent.given.v1", "lotse.consent.withdrawn.v1"]


async def test_the_gate_is_shut_while_recovering(desk: Desk) -> None:
    """Consents may have been withdrawn that this database does not know yet."""
    _case, referral, _consents = await desk.a_referred_person()
    desk.intake.context.admission.close("recovering")
    problem(await desk.fetch(referral), 503, "recovering")
    desk.intake.context.admission.open("recovering")
    assert (await desk.fetch(referral)).status_code == 200


async def test_the_gate_stays_open_with_a_full_outbox(desk: Desk) -> None:
    """What it decides on is up to date: a service that waits for Kafka may hand out what the person allows."""
    _case, referral, _consents = await desk.a_referred_person()
    desk.intake.context.admission.close("outbox-full")
    assert (await desk.fetch(referral)).status_code == 200
