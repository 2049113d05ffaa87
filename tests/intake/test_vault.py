"""Seals, keys, and how the vault opens at start."""

import dataclasses
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from schemas import CaseId
from schemas.codes import DataCategory
from services.chassis.config import StartError
from services.intake.app import SERVICE
from services.intake.vault import Vault, new_data_key, seal, unseal
from tests.conftest import CreateDatabase
from tests.harness import Running, running
from tests.intake.builders import CITY, Desk, a_person, problem

CASE = CaseId(uuid4())
SAID = {DataCategory.IDENTITY: {"name": "ليلى"}, DataCategory.AGE: {"age_band": "15-17"}}


def test_what_was_sealed_opens_with_its_key() -> None:
    """In any script."""
    key = new_data_key()
    assert unseal(key, CASE, seal(key, CASE, SAID)) == SAID


def test_the_same_words_never_seal_alike() -> None:
    """Every seal has a nonce of its own."""
    key = new_data_key()
    sealed = [each for _ in range(50) for each in seal(key, CASE, SAID)]
    assert len({each.nonce for each in sealed}) == len({each.ciphertext for each in sealed}) == 100


@pytest.mark.parametrize("change", ["key", "case", "category", "version", "nonce", "ciphertext"])
def test_a_seal_opens_only_where_it_was_made(change: str) -> None:
    """Another key, case, category or version, or one flipped bit, and it stays shut."""
    key, case = new_data_key(), CASE
    (sealed, _) = seal(key, CASE, SAID)
    if change == "key":
        key = new_data_key()
    elif change == "case":
        case = CaseId(uuid4())
    else:
        old: Any = getattr(sealed, change)
        new = {
            "category": lambda: DataCategory.CONTACT,
            "version": lambda: 2,
        }.get(change, lambda: bytes([old[0] ^ 1]) + old[1:])()
        sealed = dataclasses.replace(sealed, **{change: new})
    with pytest.raises(InvalidTag):
        unseal(key, case, [sealed])


def test_a_key_does_not_show_itself() -> None:
    """Not even in a traceback with variables."""
    key = new_data_key()
    assert key.secret.hex() not in repr(key)
    assert str(key.secret) not in repr(key)


async def test_a_key_is_stored_wrapped_and_bound_to_its_id(intake: Running) -> None:
    """Its row under another id opens nothing; one that was destroyed is gone, and destroying it again is no error."""
    vault: Vault = intake.context.resources.vault
    key, other = new_data_key(), new_data_key()
    await vault.keep(key)
    assert await vault.open(key.key_id) == key
    async with vault._keys.transaction() as conn:
        assert key.secret not in await conn.fetchval("select wrapped from vault.data_key")
        await conn.execute("update vault.data_key set key_id = $1", other.key_id)
    with pytest.raises(InvalidTag):
        await vault.open(other.key_id)
    for _ in range(2):
        await vault.destroy(other.key_id)
        assert await vault.open(other.key_id) is None


async def start(folder: Path, database_url: str, **more: Any) -> None:
    """Open and close the service."""
    async with running(SERVICE, folder, database_url, **more):
        pass


async def test_intake_does_not_start_without_the_setting_of_its_keys_database(
    create_database: CreateDatabase, tmp_path: Path
) -> None:
    """One sentence names it."""
    with pytest.raises(StartError, match="LOTSE_KEYS_DATABASE_URL is not set"):
        await start(tmp_path, await create_database("intake"))


async def test_intake_does_not_start_with_a_wrong_operator_key(
    create_database: CreateDatabase, keys_url: str, tmp_path: Path
) -> None:
    """Too short is wrong; the message does not quote it."""
    url = await create_database("intake")
    await start(tmp_path, url, keys_database_url=keys_url)
    secret = next((tmp_path / "secrets").rglob("vault-operator-key"))
    secret.write_text("0123456789abcdef")
    with pytest.raises(StartError, match="vault-operator-key must have 64 hex digits") as error:
        await start(tmp_path, url, keys_database_url=keys_url)
    assert "0123456789abcdef" not in str(error.value)


async def test_intake_does_not_start_on_a_keys_database_that_is_not_migrated_or_not_its_own(
    create_database: CreateDatabase, keys_url: str, tmp_path: Path
) -> None:
    """The one lacks its tables, the other refuses the password."""
    url = await create_database("intake")
    with pytest.raises(StartError, match=r"lacks .*intake/0001_keys\.sql"):
        await start(tmp_path, url, keys_database_url=await create_database("chassis"))
    wrong = keys_url.replace("://lotse_keys:", "://lotse_keys:x")
    with pytest.raises(StartError, match="The keys database refuses the connection"):
        await start(tmp_path, url, keys_database_url=wrong)


async def test_intake_takes_withdrawals_while_the_keys_database_is_down(
    create_database: CreateDatabase, keys_url: str, tmp_path: Path
) -> None:
    """It starts, registers nobody, hands out nothing, and a consent can be taken back."""
    url = await create_database("intake")
    async with running(SERVICE, tmp_path, url, keys_database_url=keys_url) as before:
        _, referral, (consent,) = await Desk(before).a_referred_person()
    nowhere = "postgresql://lotse_keys:x@127.0.0.1:1/lotse_keys"
    async with running(SERVICE, tmp_path, url, keys_database_url=nowhere) as after:
        desk = Desk(after)
        problem(await desk.post(CITY, "/v1/persons", a_person()), 503, "not-available")
        problem(await desk.fetch(referral), 503, "not-available")
        assert (await desk.withdraw(consent)).json()["state"] == "withdrawn"
        assert len(await after.rows("select 1 from intake.person")) == 1
