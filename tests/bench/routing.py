"""Routing: how many questions one core answers, beside a loop that only looks at the rules' conditions."""

import random
import time
from collections.abc import Callable, Sequence
from datetime import date

from schemas import OfferId, UnitId, new_id
from schemas.codes import Concern, ServiceType
from schemas.routing import BenefitRegime, ConsentAnswer, CourseRight, Question, Stated, StatusGroup
from schemas.routing_file import load_routing
from services.referral.model.routing import Provider, propose
from tests.bench.figures import Figure, Section, Sizes, per_second, spread
from tests.bench.ground import Ground
from tests.harness import ROOT

QUESTIONS = 5_000
LEAST = 5_000
TODAY = date(2026, 11, 23)
LANGUAGES = ("de", "ar", "uk", "tr", "ti", None)


def a_question(chosen: random.Random) -> Question:
    """Somebody at the counter; one in four says little."""
    if chosen.random() < 0.25:
        return Question(age=chosen.choice([None, 30]), concerns=frozenset(chosen.sample(list(Concern), 1)))
    return Question(
        consent=chosen.choice(list(ConsentAnswer)[:2]),
        age=chosen.randrange(0, 80),
        unaccompanied=chosen.choice(list(Stated)),
        status=chosen.choice(list(StatusGroup)),
        own_children=chosen.choice(list(Stated)),
        household_spans_27=chosen.choice(list(Stated)),
        months_since_arrival=chosen.randrange(0, 200),
        regime=chosen.choice(list(BenefitRegime)),
        able_to_work=chosen.choice(list(Stated)),
        concerns=frozenset(chosen.sample(list(Concern), 3)),
        course=chosen.choice(list(CourseRight)),
        language=chosen.choice(LANGUAGES),
    )


def providers() -> Sequence[Provider]:
    """Ten units for each kind of service, with an offer each."""
    return [
        Provider(UnitId(f"partner-{number}/{kind.lower()}"), kind, (OfferId(new_id()),), frozenset({"de", "ar"}))
        for kind in (ServiceType.MBE, ServiceType.JMD, ServiceType.MFD)
        for number in range(10)
    ]


def routing(_ground: Ground, sizes: Sizes) -> Section:
    """One process, one thread, the table of Koblenz, thirty units."""
    chosen = random.Random(20261123)  # noqa: S311 - the same questions in every run
    questions = [a_question(chosen) for _ in range(QUESTIONS)]
    table = load_routing(ROOT / "deploy" / "routing" / "koblenz.toml")
    rules, units = table.used_on(TODAY), providers()
    real, bare = list[float](), list[float]()
    for _ in range(sizes.rounds):
        bare.append(_rate(questions, lambda question: [rule for rule in rules if rule.fits(question)]))
        real.append(_rate(questions, lambda question: propose(table, rules, question, units, TODAY)))
    rate, of_bare = sorted(real)[len(real) // 2], sorted(bare)[len(bare) // 2]
    return Section(
        "Routing",
        [
            Figure(
                "questions on one core",
                per_second(rate),
                per_second(of_bare),
                f"{rate / of_bare:.0%}",
                f"at least {LEAST:,}/s",
                rate >= LEAST,
            )
        ],
        [
            f"Rounds: {spread(real)}; bare {spread(bare)}. {QUESTIONS:,} different questions against "
            f"{len(rules)} rules and {len(units)} units, without HTTP and directory. Bare: the same "
            "questions, only the rules' conditions looked at."
        ],
    )


def _rate(questions: Sequence[Question], ask: Callable[[Question], object]) -> float:
    began = time.perf_counter()
    for question in questions:
        ask(question)
    return len(questions) / (time.perf_counter() - began)
