"""How each operation of the four services is asked for, on something that is there, by callers near to it and far."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from schemas import CaseId, ReferralLinked, new_id
from schemas.codes import DataCategory
from schemas.permissions import Relation
from services.referral.model import hsds
from tests.harness import REFERRAL, ROOT, Running
from tests.intake import builders as people
from tests.intake.builders import Desk
from tests.notifier.events import Story
from tests.referral import builders as referrals
from tests.referral import training_builders as trainings
from tests.referral import working_together
from tests.referral.builders import Lotse, a_case, facts_of
from tests.schemas.samples import a

CITY, CITY_TOO = "stadt-koblenz/integration", "stadt-koblenz/teilhabe"
AWO, AWO_TOO = "awo-rheinland/mbe", "awo-rheinland/jmd"
STRANGER = "caritas-koblenz/mbe"
CASES = "lotse.cases.v1"

# Whose the thing is, and who is how near to it.
NEAR_AND_FAR: Mapping[str, Mapping[Relation, str]] = {
    home: {Relation.OWN_UNIT: home, Relation.SAME_PARTNER: sibling, Relation.OTHER_PARTNER: STRANGER}
    for home, sibling in ((CITY, CITY_TOO), (AWO, AWO_TOO))
}
SECOND_UNITS = {
    CITY_TOO: 'name = "Amt für Teilhabe"\nregime = "DSGVO"\nroles = ["city"]\nservice_types = ["other"]\n',
    AWO_TOO: 'name = "JMD"\nregime = "DSGVO"\nroles = ["migration-service"]\nservice_types = ["JMD"]\n',
}


def two_units_each(folder: Path) -> Path:
    """The partners of the agreement, with a second unit where there is only one."""
    folder.mkdir()
    for file in (ROOT / "deploy" / "partners").glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    for unit, said in SECOND_UNITS.items():
        slug, _, name = unit.partition("/")
        with (folder / f"{slug}.toml").open("a") as file:
            file.write(f'\n[[unit]]\nslug = "{name}"\n{said}')
    return folder


@dataclass(frozen=True)
class Request:
    """What somebody sends."""

    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Ask: TypeAlias = Callable[[str], Request]
Prepare: TypeAlias = Callable[[Running], Awaitable[Ask]]


@dataclass(frozen=True)
class Way:
    """How an operation is tried: `prepare` makes the thing, and says what a unit sends that asks for it.

    home: whose the thing is. farthest: how far from it a request can come; OWN_UNIT where it can name no other's.
    hidden: the answer to whom it is too far away, the same as if it were not there.
    notes_unit: the caller's unit is noted, so the token must name one whatever the reach.
    """

    prepare: Prepare
    home: str = CITY
    farthest: Relation = Relation.OTHER_PARTNER
    hidden: tuple[int, str] = (404, "not-found")
    notes_unit: bool = False


def always(path: str, body: Any = None) -> Prepare:
    """Nothing to prepare, and the same from everybody."""

    async def prepare(_service: Running) -> Ask:
        return lambda _unit: Request(path, body)

    return prepare


def own(path: str, body: Any = None) -> Way:
    """What is always done for oneself, because the request names nothing."""
    return Way(always(path, body), farthest=Relation.OWN_UNIT)


def reference(service: Running, unit: str, value: UUID) -> str:
    """What that unit's partner calls it."""
    return service.reference(unit.partition("/")[0], value)


async def a_person(intake: Running) -> Ask:
    case_id = Desk(intake).case_id(await Desk(intake).register(CITY))
    return lambda unit: Request(f"/v1/persons/{reference(intake, unit, case_id)}")


async def a_correction(intake: Running) -> Ask:
    asked = await a_person(intake)
    return lambda unit: Request(asked(unit).path, people.a_person(name="Anders"), {"If-Match": '"1"'})


async def a_hold(intake: Running) -> Ask:
    case_ref = await Desk(intake).register(CITY)
    body = {"ground": "legal-claim"}
    answer = await Desk(intake).post(CITY, f"/v1/persons/{case_ref}/holds", body, role="commissioner")
    case, hold = [
        intake.context.references.resolve("stadt-koblenz", each) for each in (case_ref, answer.json()["hold_ref"])
    ]
    return lambda unit: Request(
        f"/v1/persons/{reference(intake, unit, case)}/holds/{reference(intake, unit, hold)}/release", {}
    )


async def consents_of_a_person(intake: Running) -> Ask:
    asked = await a_person(intake)
    return lambda unit: Request(
        f"{asked(unit).path}/consents", people.signed(people.a_consent(from_unit=unit, to_unit=AWO))
    )


async def feedback_on_a_referral(intake: Running) -> Ask:
    _, referral, _ = await Desk(intake).a_referred_person()

    def ask(unit: str) -> Request:
        back = {"from_unit": unit, "to_unit": CITY, "scope": "feedback-status", "data_categories": []}
        return Request(f"/v1/referrals/{referral}/consents", people.signed(people.a_consent(**back)))

    return ask


async def a_consent(intake: Running) -> Ask:
    _, _, [consent] = await Desk(intake).a_referred_person()
    consent_id = intake.context.references.resolve("stadt-koblenz", consent)
    return lambda unit: Request(f"/v1/consents/{reference(intake, unit, consent_id)}")


async def the_end_of_a_consent(intake: Running) -> Ask:
    asked = await a_consent(intake)
    await Desk(intake).post(CITY, f"{asked(CITY).path}/withdraw")
    return lambda unit: Request(f"{asked(unit).path}/termination")


async def a_receipt(intake: Running) -> Ask:
    case_ref = await Desk(intake).register(CITY)
    answer = await Desk(intake).post(CITY, f"/v1/persons/{case_ref}/receipts", {"language": "de"})
    receipt_id = intake.context.references.resolve("stadt-koblenz", answer.json()["receipt_ref"])
    return lambda unit: Request(f"/v1/receipts/{reference(intake, unit, receipt_id)}/block", {})


async def an_open_question(intake: Running) -> Ask:
    """Something that a person was asked for and has not answered."""
    case_ref = await Desk(intake).register(CITY)
    answer = await Desk(intake).post(CITY, f"/v1/persons/{case_ref}/consent-requests", people.asked_for())
    consent_id = intake.context.references.resolve("stadt-koblenz", answer.json()["consents"][0]["consent_ref"])
    return lambda unit: Request(f"/v1/consents/{reference(intake, unit, consent_id)}")


def done_to(prepare: Prepare, act: str, body: Any) -> Prepare:
    """An act on what was prepared."""

    async def prepared(intake: Running) -> Ask:
        asked = await prepare(intake)
        return lambda unit: Request(f"{asked(unit).path}/{act}", body)

    return prepared


async def questions_to_a_person(intake: Running) -> Ask:
    asked = await a_person(intake)
    return lambda unit: Request(
        f"{asked(unit).path}/consent-requests", people.asked_for(people.a_consent(from_unit=unit, to_unit=AWO))
    )


def of_a_person(place: str) -> Prepare:
    """Something that is asked of a person's record."""

    async def prepare(intake: Running) -> Ask:
        asked = await a_person(intake)
        return lambda unit: Request(f"{asked(unit).path}/{place}")

    return prepare


async def a_task(intake: Running) -> Ask:
    """A sheet to destroy: the consent that was signed on it has ended."""
    [consent] = await Desk(intake).consent(await Desk(intake).register(CITY))
    await Desk(intake).withdraw(consent)
    [task] = await intake.rows("select task_id from intake.task order by task_id desc limit 1")
    return lambda _unit: Request(f"/v1/tasks/{task['task_id']}/done", {})


async def a_withdrawal(intake: Running) -> Ask:
    asked = await a_consent(intake)
    return lambda unit: Request(f"{asked(unit).path}/withdraw", {})


async def at_the_gate(intake: Running) -> Ask:
    _, referral, _ = await Desk(intake).a_referred_person()
    return lambda _unit: Request(f"/v1/referrals/{referral}/person")


async def a_recall(notifier: Running) -> Ask:
    """AWO was told of a referral, and then that the person took the consent back."""
    story = Story()
    await notifier.feed(story.consent(), story.requested())
    [withdrawn] = await notifier.feed(story.withdrawn())

    def ask(unit: str) -> Request:
        event_id = UUID(hex=reference(notifier, unit, withdrawn))
        return Request(f"/v1/recalls/{event_id}/acknowledge", {"action": "deleted"})

    return ask


@dataclass(frozen=True)
class Kind:
    """A kind of entry of the directory: where it is, what its id is called, a body of it and a field to change."""

    path: str
    id_field: str
    body: Callable[..., dict[str, Any]]
    field: str


KINDS = (
    Kind("/v1/offers", "offer_id", referrals.an_offer, "name"),
    Kind("/v1/contacts", "contact_id", referrals.a_contact, "function"),
    Kind("/v1/materials", "material_id", referrals.a_material, "title"),
    Kind("/v1/change-notices", "notice_id", referrals.a_notice, "text"),
)


def entry(kind: Kind, act: str) -> Prepare:
    """Something of AWO's in the directory; whoever is of another partner says that it is its own."""

    async def prepare(referral: Running) -> Ask:
        later = {"effective_on": "2099-01-01"} if act == "retract" else {}
        answer = await Lotse(referral).post(kind.path, {**kind.body(unit=AWO), **later}, unit=AWO)
        place = f"{kind.path}/{answer.json()[kind.id_field]}"

        def replacing(unit: str) -> Request:
            is_own = unit.startswith("awo-rheinland/")
            body = kind.body(**{"unit": AWO if is_own else unit, kind.field: "Neu"})
            return Request(place, body, {"If-Match": '"1"'})

        asks: Mapping[str, Ask] = {
            "show": lambda _unit: Request(place),
            "replace": replacing,
            "capacity": lambda _unit: Request(f"{place}/capacity", {"capacity": "waitlist"}),
            "person": lambda _unit: Request(f"{place}/person", {"name": "Bernd Muster", "agreed_on": "2026-01-05"}),
            "assure": lambda _unit: Request(f"{place}/assure", {}),
            "retract": lambda _unit: Request(f"{place}/retract", {}),
            "withdraw": lambda _unit: Request(f"{place}/withdraw", {}),
        }
        return asks[act]

    return prepare


async def a_request(referral: Running) -> Ask:
    lotse, case_id = Lotse(referral), a_case()
    await referral.feed(referrals.a_consent(case_id))
    offer_id = await lotse.offer()
    return lambda unit: Request("/v1/referrals", {"case_ref": reference(referral, unit, case_id), "offer_id": offer_id})


async def a_new_draft(referral: Running) -> Ask:
    case_id = a_case()
    return lambda unit: Request("/v1/drafts", {"case_ref": reference(referral, unit, case_id)})


def a_draft(act: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Prepare:
    """A draft of the City for AWO, for a person who consents."""

    async def prepare(referral: Running) -> Ask:
        lotse, case_id = Lotse(referral), a_case()
        await referral.feed(referrals.a_consent(case_id))
        prepared = {"case_ref": lotse.case_ref(case_id), "offer_id": await lotse.offer()}
        answer = await lotse.post("/v1/drafts", prepared, unit=CITY, role="clerk")
        place = f"/v1/drafts/{answer.json()['referral_id']}{act}"
        return lambda _unit: Request(place, body, dict(headers or {}))

    return prepare


def a_referral(act: str, *before: str) -> Prepare:
    """A referral of the City to AWO, after these acts."""

    async def prepare(referral: Running) -> Ask:
        referral_id = await Lotse(referral).referral(a_case(), *before)
        return lambda _unit: Request(f"/v1/referrals/{referral_id}/{act}", facts_of(act))

    return prepare


def an_offer_of(path: str) -> Prepare:
    """An offer with a place, as HSDS shows it."""

    async def prepare(referral: Running) -> Ask:
        place = {"address_1": "Löhrstraße 1", "postal_code": "56068", "city": "Koblenz"}
        offer_id = await Lotse(referral).offer(location=place)
        return lambda _unit: Request(f"/hsds/{path}/{offer_id}")

    return prepare


async def shown_referral(referral: Running) -> Ask:
    referral_id = await Lotse(referral).referral(a_case())
    return lambda _unit: Request(f"/v1/referrals/{referral_id}")


async def numbered_referral(referral: Running) -> Ask:
    referral_id = await Lotse(referral).referral(a_case())
    return lambda _unit: Request(f"/v1/referrals/{referral_id}/number", {"own_number": "17"})


async def a_household(referral: Running) -> Ask:
    """Two persons whom the City refers to AWO."""
    lotse, cases = Lotse(referral), [a_case(), a_case()]
    for case_id in cases:
        named = referrals.a_consent(case_id, data_categories=(DataCategory.HOUSEHOLD,))
        await lotse.referral(case_id, consent=named)
    return lambda unit: Request("/v1/households", {"case_refs": [reference(referral, unit, each) for each in cases]})


async def a_known_household(referral: Running) -> Ask:
    said = (await a_household(referral))(CITY)
    await Lotse(referral).post(said.path, said.body, unit=CITY, role="clerk")
    *_, last = [each for each in await Lotse(referral).told() if isinstance(each, ReferralLinked)]
    return lambda unit: Request(f"/v1/households/{reference(referral, unit, last.household_id)}")


async def a_proposal(referral: Running) -> Ask:
    case_id = a_case()
    await referral.feed(working_together.together(case_id, CITY, AWO))

    def ask(unit: str) -> Request:
        case_ref = reference(referral, unit, case_id)
        return Request("/v1/cooperations", {"case_ref": case_ref, "units": [AWO], "responsible": "Team"})

    return ask


def a_cooperation(place: str, body: Any = None, *, agreed: bool = True, on_step: bool = False) -> Prepare:
    """A cooperation of AWO with the City, which is asked or takes part and has something to do."""

    async def prepare(referral: Running) -> Ask:
        table = working_together.Table(Lotse(referral))
        await table.allow((AWO, CITY), (CITY, AWO))
        await table.propose(CITY)
        if agreed:
            await table.done("agree", working_together.PART, unit=CITY)
        step = (await table.done("steps", working_together.a_step(CITY)))["steps"][0]["step_id"] if on_step else ""
        path = "/".join(each for each in (f"/v1/cooperations/{table.cooperation_id}", place.format(step)) if each)
        return lambda _unit: Request(path, body)

    return prepare


async def consents_of_a_cooperation(intake: Running) -> Ask:
    case_id = Desk(intake).case_id(await Desk(intake).register(AWO), AWO)
    proposed = a("lotse.cooperation.proposed.v1", case_id=case_id, unit=AWO, units=(AWO, CITY), asked=(CITY,))
    await intake.feed(proposed, source=REFERRAL)

    def ask(unit: str) -> Request:
        wanted = {"from_unit": unit, "to_unit": AWO, "scope": "cooperation", "data_categories": []}
        return Request(
            f"/v1/cooperations/{proposed.cooperation_id}/consents", people.signed(people.a_consent(**wanted))
        )

    return ask


async def _parked(service: Running) -> dict[str, Any]:
    """A key that waits because its first versions are missing."""
    case_id = CaseId(new_id())
    await service.feed(people.a_referral(case_id), source=REFERRAL, version=5)
    [letter] = await service.rows("select * from chassis.dead_letter where key = $1", str(case_id))
    return letter


async def a_retry(service: Running) -> Ask:
    letter = await _parked(service)
    return lambda _unit: Request("/admin/parked/retry", {"topic": CASES, "key": letter["key"]})


async def a_discard(service: Running) -> Ask:
    letter = await _parked(service)
    place = {"partition": letter["partition"], "offset": letter["record_offset"]}
    body = {"topic": CASES, "key": letter["key"], "reason": "lost on the bus", **place}
    return lambda _unit: Request("/admin/parked/discard", body)


OPERATORS = {
    "GET /admin/parked": Way(always("/admin/parked")),
    "GET /admin/parked/queue": Way(always(f"/admin/parked/queue?topic={CASES}")),
    "GET /admin/acts": Way(always("/admin/acts")),
    "POST /admin/parked/retry": Way(a_retry),
    "POST /admin/parked/discard": Way(a_discard),
}
DIRECTORY = {
    f"{operation} {kind.path}{place}": way
    for kind in KINDS
    for operation, place, way in (
        ("GET", "", Way(always(kind.path))),
        ("POST", "", Way(always(kind.path, kind.body(unit=AWO)), AWO, hidden=(403, "not-your-unit"))),
        ("GET", f"/{{{kind.id_field}}}", Way(entry(kind, "show"), AWO)),
        ("PUT", f"/{{{kind.id_field}}}", Way(entry(kind, "replace"), AWO)),
        ("POST", f"/{{{kind.id_field}}}/withdraw", Way(entry(kind, "withdraw"), AWO)),
        ("POST", f"/{{{kind.id_field}}}/retract", Way(entry(kind, "retract"), AWO)),
    )
}
DIRECTORY |= {f"POST {kind.path}/{{{kind.id_field}}}/assure": Way(entry(kind, "assure"), AWO) for kind in KINDS[:2]}
DIRECTORY["PUT /v1/offers/{offer_id}/capacity"] = Way(entry(KINDS[0], "capacity"), AWO)
DIRECTORY["PUT /v1/contacts/{contact_id}/person"] = Way(entry(KINDS[1], "person"), AWO)


async def a_need(referral: Running) -> Ask:
    """A need of AWO's; whoever is of another partner says that it is its own."""
    place = f"{trainings.NEEDS}/{await trainings.stated(Lotse(referral), unit=AWO)}"

    def ask(unit: str) -> Request:
        is_own = unit.startswith("awo-rheinland/")
        return Request(place, trainings.a_need(unit=AWO if is_own else unit), {"If-Match": '"1"'})

    return ask


async def an_offered_training(referral: Running) -> Ask:
    """What somebody says who offers a training of AWO's."""
    need_id = await trainings.stated(Lotse(referral))
    return lambda _unit: Request(trainings.TRAININGS, trainings.a_training(need_id, unit=AWO))


async def a_training(referral: Running) -> Ask:
    """A training of AWO's; whoever is of another partner says that it is its own."""
    need_id = await trainings.stated(Lotse(referral))
    place = await trainings.offered(Lotse(referral), need_id)

    def ask(unit: str) -> Request:
        is_own = unit.startswith("awo-rheinland/")
        return Request(place, trainings.a_training(need_id, unit=AWO if is_own else unit), {"If-Match": '"1"'})

    return ask


async def a_training_that_is_over(referral: Running) -> Ask:
    asked = await a_training(referral)
    async with referral.context.database.transaction() as conn:
        await conn.execute(
            """
            update referral.entry set state = jsonb_set(state, '{sessions,-1,ends_at}', '"2020-01-01T00:00:00Z"')
            where kind = 'training'
            """
        )
    return lambda unit: Request(f"{asked(unit).path}/attendance", {"attendance": []}, {"If-Match": '"1"'})


TRAININGS = {
    "GET /v1/training-needs": Way(always("/v1/training-needs")),
    "POST /v1/training-needs": Way(
        always("/v1/training-needs", trainings.a_need(unit=AWO)), AWO, hidden=(403, "not-your-unit")
    ),
    "GET /v1/training-needs/{training_need_id}": Way(a_need, AWO),
    "PUT /v1/training-needs/{training_need_id}": Way(a_need, AWO),
    "POST /v1/training-needs/{training_need_id}/close": Way(done_to(a_need, "close", {}), AWO),
    "GET /v1/trainings": Way(always("/v1/trainings")),
    "GET /v1/trainings.ics": Way(always("/v1/trainings.ics")),
    "GET /v1/offers.ics": Way(always("/v1/offers.ics")),
    "POST /v1/trainings": Way(an_offered_training, AWO, hidden=(403, "not-your-unit")),
    "GET /v1/trainings/{training_id}": Way(a_training, AWO),
    "PUT /v1/trainings/{training_id}": Way(a_training, AWO),
    "POST /v1/trainings/{training_id}/cancel": Way(done_to(a_training, "cancel", {}), AWO),
    "PUT /v1/trainings/{training_id}/registrations": Way(
        done_to(a_training, "registrations", {"people": 1}), AWO, farthest=Relation.OWN_UNIT
    ),
    "PUT /v1/trainings/{training_id}/attendance": Way(a_training_that_is_over, AWO),
}
BEFORE: Mapping[str, tuple[str, ...]] = {
    "receive": (),
    "accept": (),
    "reject": (),
    "start": ("accept",),
    "complete": ("accept", "start"),
    "take-back": ("accept",),
    "hold": ("accept",),
    "resume": ("accept", "hold"),
    "fail": ("accept",),
}
WAYS: Mapping[str, Mapping[str, Way]] = {
    "intake": {
        "POST /v1/information": own("/v1/information", {"language": "ar", "count": 1}),
        "POST /v1/persons": own("/v1/persons", people.a_person()),
        "GET /v1/persons/{case_ref}": Way(a_person),
        "POST /v1/persons/search": own("/v1/persons/search", {"name": people.NAME, "birth_year": 1991}),
        "POST /v1/persons/{case_ref}/consents": Way(consents_of_a_person),
        "POST /v1/referrals/{referral_id}/consents": Way(feedback_on_a_referral, AWO),
        "POST /v1/cooperations/{cooperation_id}/consents": Way(consents_of_a_cooperation),
        "POST /v1/consents/{consent_ref}/withdraw": Way(a_withdrawal, notes_unit=True),
        "GET /v1/consents/{consent_ref}": Way(a_consent),
        "GET /v1/consents/{consent_ref}/termination": Way(the_end_of_a_consent),
        "POST /v1/persons/{case_ref}/receipts": Way(done_to(a_person, "receipts", {"language": "de"})),
        "POST /v1/receipts/{receipt_ref}/block": Way(a_receipt),
        "GET /admin/vault": Way(always("/admin/vault")),
        "POST /admin/vault/rotate": Way(always("/admin/vault/rotate", {"reason": "a test"})),
        "GET /v1/persons/{case_ref}/access": Way(of_a_person("access")),
        "PUT /v1/persons/{case_ref}": Way(a_correction),
        "POST /v1/persons/{case_ref}/erase": Way(done_to(a_person, "erase", {})),
        "POST /v1/persons/{case_ref}/holds": Way(done_to(a_person, "holds", {"ground": "legal-claim"})),
        "POST /v1/persons/{case_ref}/holds/{hold_ref}/release": Way(a_hold),
        "GET /v1/referrals/{referral_id}/person": Way(at_the_gate, AWO),
        "POST /v1/refusals": own("/v1/refusals", {"language": "ar"}),
        "GET /v1/notices": Way(
            always(f"/v1/notices?from_unit={CITY}&to_unit={AWO}&scope=transfer&language=de"),
        ),
        "POST /v1/persons/{case_ref}/consent-requests": Way(questions_to_a_person),
        "GET /v1/persons/{case_ref}/consents": Way(of_a_person("consents")),
        "GET /v1/persons/{case_ref}/consent-records": Way(of_a_person("consent-records")),
        "POST /v1/consents/{consent_ref}/give": Way(done_to(an_open_question, "give", people.signature())),
        "POST /v1/consents/{consent_ref}/refuse": Way(done_to(an_open_question, "refuse", {"language": "ar"})),
        "POST /v1/consents/{consent_ref}/renew": Way(
            done_to(a_consent, "renew", people.signature(valid_until=people.in_days(100)))
        ),
        "POST /v1/consents/{consent_ref}/revoke": Way(done_to(a_consent, "revoke", {"reason": "other"})),
        "POST /v1/consents/{consent_ref}/invalidate": Way(done_to(a_consent, "invalidate", {"reason": "other"})),
        "GET /v1/consents/{consent_ref}/propagation": Way(done_to(a_consent, "propagation", None)),
        "GET /v1/persons/{case_ref}/propagation": Way(of_a_person("propagation")),
        "GET /v1/tasks": own("/v1/tasks"),
        "POST /v1/tasks/{task_id}/done": Way(a_task),
        "GET /v1/disclosures": own("/v1/disclosures"),
        "GET /v1/disclosures/heads": own("/v1/disclosures/heads"),
        "GET /v1/disclosures/keys": own("/v1/disclosures/keys"),
        **OPERATORS,
    },
    "referral": {
        **{
            f"GET /hsds/{path}": Way(always(f"/hsds/{path}"))
            for path in (
                "",
                "package",
                "services",
                "organizations",
                "service_at_locations",
                "taxonomies",
                "taxonomy_terms",
            )
        },
        "GET /hsds/services/{service_id}": Way(an_offer_of("services")),
        "GET /hsds/service_at_locations/{place_id}": Way(an_offer_of("service_at_locations")),
        "GET /hsds/organizations/{organization_id}": Way(
            always(f"/hsds/organizations/{hsds.organization_id('awo-rheinland')}")
        ),
        "GET /hsds/taxonomies/{taxonomy_id}": Way(always(f"/hsds/taxonomies/{hsds.taxonomy_id(hsds.Taxonomy.NEEDS)}")),
        "GET /hsds/taxonomy_terms/{term_id}": Way(always(f"/hsds/taxonomy_terms/{min(hsds.TERMS)}")),
        "POST /v1/slips": own("/v1/slips", {"places": ["jugendamt"], "language": "ar"}),
        "POST /v1/routing": Way(always("/v1/routing", {"age": 30, "status": "eu-eea"})),
        "POST /v1/offers/import": Way(
            always("/v1/offers/import", {"unit": AWO, "package": {"version": "3.1", "services": []}, "dry_run": False}),
            AWO,
            hidden=(403, "not-your-unit"),
        ),
        **DIRECTORY,
        **TRAININGS,
        # Nothing tells apart another's case, one that does not exist, and one without a consent.
        "POST /v1/drafts": Way(a_new_draft, farthest=Relation.OWN_UNIT),
        "GET /v1/drafts": own("/v1/drafts"),
        "GET /v1/drafts/{referral_id}": Way(a_draft("")),
        "PUT /v1/drafts/{referral_id}": Way(a_draft("", {"own_number": "7"}, {"If-Match": '"1"'})),
        "POST /v1/drafts/{referral_id}/discard": Way(a_draft("/discard", {})),
        "POST /v1/drafts/{referral_id}/send": Way(a_draft("/send", {})),
        "POST /v1/referrals": Way(a_request, hidden=(409, "no-consent")),
        "GET /v1/referrals": own("/v1/referrals?role=sent"),
        "GET /v1/referrals/{referral_id}": Way(shown_referral),
        **{
            f"POST /v1/referrals/{{referral_id}}/{act}": Way(a_referral(act, *before), AWO)
            for act, before in BEFORE.items()
        },
        "POST /v1/referrals/{referral_id}/cancel": Way(a_referral("cancel")),
        "POST /v1/referrals/{referral_id}/annul": Way(a_referral("annul")),
        "PUT /v1/referrals/{referral_id}/number": Way(numbered_referral),
        "POST /v1/referrals/{referral_id}/dismiss": Way(a_referral("dismiss")),
        "GET /v1/worklists/{worklist}": own("/v1/worklists/waiting-for-us"),
        "POST /v1/households": Way(a_household, hidden=(409, "nothing-under-way")),
        "GET /v1/households/{household_ref}": Way(a_known_household),
        "POST /v1/cooperations": Way(a_proposal, hidden=(409, "no-consent")),
        "GET /v1/cooperations": own("/v1/cooperations"),
        "GET /v1/cooperations/{cooperation_id}": Way(a_cooperation("")),
        "POST /v1/cooperations/{cooperation_id}/agree": Way(
            a_cooperation("agree", working_together.PART, agreed=False)
        ),
        "POST /v1/cooperations/{cooperation_id}/decline": Way(
            a_cooperation("decline", {"reason": "other"}, agreed=False)
        ),
        "POST /v1/cooperations/{cooperation_id}/lead": Way(a_cooperation("lead", {"unit": CITY})),
        "POST /v1/cooperations/{cooperation_id}/meeting": Way(
            a_cooperation("meeting", {"meets_on": working_together.SOON})
        ),
        "POST /v1/cooperations/{cooperation_id}/steps": Way(a_cooperation("steps", working_together.a_step(AWO))),
        "POST /v1/cooperations/{cooperation_id}/steps/{step_id}/done": Way(
            a_cooperation("steps/{}/done", {}, on_step=True)
        ),
        "POST /v1/cooperations/{cooperation_id}/steps/{step_id}/drop": Way(
            a_cooperation("steps/{}/drop", {}, on_step=True)
        ),
        "POST /v1/cooperations/{cooperation_id}/end": Way(a_cooperation("end", {"reason": "other"})),
        **OPERATORS,
    },
    "notifier": {
        "GET /v1/stream": own("/v1/stream"),
        "GET /v1/told": own("/v1/told"),
        "GET /v1/recalls": own("/v1/recalls"),
        "POST /v1/recalls/{event_id}/acknowledge": Way(a_recall, AWO),
        **OPERATORS,
    },
    "reporting": {"GET /v1/compliance": Way(always("/v1/compliance")), **OPERATORS},
}
