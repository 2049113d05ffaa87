"""The permission table as data: complete, and as it was agreed."""

import re

from schemas.permissions import ACTIONS, EVERY_SERVICE, TABLE, Relation, Role

PARTNERS_ROLES = [role for role in Role if role is not Role.OPERATOR]


def reaching(role: Role) -> set[str]:
    """What a role may do at all."""
    return {action.id for action in TABLE if role in action.reach}


def test_every_row_has_a_cell_for_each_role() -> None:
    """And an id of its own, a verb phrase; and one sentence that says what it is."""
    assert len(ACTIONS) == len(TABLE)
    for action in TABLE:
        assert len(action.widest) == len(Role)
        assert action.reach
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", action.id)
        assert re.fullmatch(r"[A-Z][^\n]*\.", action.does)


def test_relations_include_the_nearer_ones() -> None:
    """Whoever reaches other partners reaches its own."""
    unit, partner, other = Relation
    assert [unit.includes(each) for each in Relation] == [True, False, False]
    assert [partner.includes(each) for each in Relation] == [True, True, False]
    assert [other.includes(each) for each in Relation] == [True, True, True]


def test_an_operator_sees_no_person_and_a_partner_no_machinery() -> None:
    """Two worlds that have no action in common."""
    machinery = {action.id for action in TABLE if action.service == EVERY_SERVICE}
    machinery |= {"look-at-vault-keys", "rotate-vault-keys"}
    assert reaching(Role.OPERATOR) == machinery
    assert all(reaching(role).isdisjoint(machinery) for role in PARTNERS_ROLES)


def test_personal_data_is_the_services_and_casework_not_the_coordinations() -> None:
    """Only who counsels fetches a person; coordinators and commissioners see no single case beyond a consent."""
    fetching = {role for role in Role if "fetch-person" in reaching(role)}
    assert fetching == {Role.COUNSELLOR, Role.SYSTEM}
    casework = {"register-person", "read-person", "record-consent", "request-referral", "read-referrals"}
    casework |= {"answer-access-request", "correct-person", "record-cooperation-consent"}
    casework |= {"propose-cooperation", "read-cooperations", "take-part-in-cooperation"}
    for role in (Role.COORDINATOR, Role.COMMISSIONER):
        assert reaching(role).isdisjoint(casework)


def test_any_unit_of_the_partner_takes_a_withdrawal_whatever_the_role() -> None:
    """Withdrawing is as easy as giving; nothing else about a person crosses units.

    The notices are about nobody, the chain of what a partner fetched is the partner's, and the keys are the operator's.
    """
    assert ACTIONS["withdraw-consent"].reach == dict.fromkeys(PARTNERS_ROLES, Relation.SAME_PARTNER)
    beyond = {
        action.id for action in TABLE if action.service == "intake" and set(action.reach.values()) - {Relation.OWN_UNIT}
    }
    of_operators = {"look-at-vault-keys", "rotate-vault-keys"}
    assert beyond - of_operators == {"withdraw-consent", "read-notices", "read-own-disclosures"}
