"""What is traced of intake says nothing of what a person said."""

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.chassis import tracing
from services.chassis.recorder import Recorder
from tests.intake.builders import BIRTH_DATE, CITY, NAME, PHONE, Desk, a_person


async def test_no_span_holds_a_word_of_it(desk: Desk) -> None:
    """Registered, fetched, corrected, answered and refused, with everything recorded: names, attributes, events."""
    exporter = InMemorySpanExporter()
    tracing.use(Recorder("test", exporter, ratio=1.0))
    try:
        case_ref, referral, _ = await desk.a_referred_person()
        await desk.fetch(referral)
        await desk.get(CITY, f"/v1/persons/{case_ref}/access", role="clerk")
        headers = {**desk.intake.headers(CITY, "clerk"), "If-Match": "*"}
        await desk.intake.client.put(f"/v1/persons/{case_ref}", json=a_person(language="ku"), headers=headers)
        await desk.post(CITY, "/v1/persons", a_person(language=NAME))
        await desk.post(CITY, f"/v1/persons/{NAME}/erase")
    finally:
        tracing.stop_tracing()
    spans = "\n".join(span.to_json() for span in exporter.get_finished_spans())
    assert "/v1/referrals/{referral_id}/person" in spans
    assert [each for each in (NAME, PHONE, BIRTH_DATE, "Zaynab") if each in spans] == []
