"""Changing what wraps the data keys: online, resumable, and shut where a key is lost."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from aiohttp import web
from cryptography.exceptions import InvalidTag

from services.chassis.config import StartError
from services.intake.app import SERVICE
from services.intake.vault import FIRST, DataKey, Vault, WrapperAway, WrappingKeyLost, new_data_key
from services.intake.vault.kms import TransitKms
from services.intake.vault.wrapping import OperatorKeys, Wrapped, key_id_of
from tests.conftest import CreateDatabase
from tests.harness import Running, running
from tests.intake.builders import CITY, Desk, problem

Open = Callable[..., Any]
OLD, NEW = "11" * 32, "22" * 32


@pytest.fixture
async def open_intake(create_database: CreateDatabase, keys_url: str, tmp_path: Path) -> Open:
    """Opens intake again and again on the same databases: `async with open_intake(current, former): ...`."""
    url = await create_database("intake")

    @asynccontextmanager
    async def opened(current: str, *former: str, **more: Any) -> AsyncIterator[Desk]:
        file = tmp_path / "secrets" / "services" / "vault-operator-key-former"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(former))
        settings = {"keys_database_url": keys_url, "vault_operator_key": current, **more}
        async with running(SERVICE, tmp_path, url, **settings) as service:
            yield Desk(service)

    return opened


def vault_of(desk: Desk) -> Vault:
    """The vault of a running intake."""
    vault: Vault = desk.intake.context.resources.vault
    return vault


async def ask(desk: Desk, method: str, path: str, body: Any = None) -> httpx2.Response:
    """As an operator."""
    headers = desk.intake.headers("/", "operator")
    return await desk.intake.client.request(method, f"/admin/vault{path}", json=body, headers=headers)


async def a_new_person(desk: Desk) -> None:
    """Somebody registers and consents, which needs a data key of its own and opens it."""
    await desk.consent(await desk.register())


async def status(desk: Desk) -> dict[str, int]:
    """How many data keys are in which state."""
    said = (await ask(desk, "GET", "")).json()
    return {each["state"]: each["keys"] for each in said["keys"]}


async def rotate(desk: Desk, limit: int = 500) -> list[dict[str, Any]]:
    """Step by step to the end."""
    steps, after = [], None
    while not steps or after:
        answer = await ask(desk, "POST", "/rotate", {"reason": "a test", "after": after, "limit": limit})
        assert answer.status_code == 200, answer.text
        steps.append(answer.json())
        after = steps[-1]["next"]
    return steps


async def test_a_new_key_takes_over_while_people_are_registered_and_fetched(open_intake: Open) -> None:
    """Everybody can be read before, while and after; then the former key can go."""
    async with open_intake(OLD) as desk:
        people = [await desk.a_referred_person() for _ in range(7)]
    async with open_intake(NEW, OLD) as desk:
        assert await status(desk) == {"former": 7}
        fetches = [desk.fetch(referral) for _, referral, _ in people]
        steps, *others = await asyncio.gather(rotate(desk, limit=2), a_new_person(desk), *fetches)
        assert [each.status_code for each in others[1:]] == [200] * 7
        assert sum(each["rewrapped"] for each in steps) == 7
        assert await status(desk) == {"current": 8}
        shown = (await ask(desk, "GET", "")).json()
        assert [(each["reason"], each["to_key"]) for each in shown["rotations"]] == [("a test", shown["current"])]
    async with open_intake(NEW) as desk:
        answers = [await desk.fetch(referral) for _, referral, _ in people]
        assert [each.status_code for each in answers] == [200] * 7


async def test_a_rotation_that_was_broken_off_is_begun_again(open_intake: Open) -> None:
    """Killed at any step, nothing is lost, and what is done is not done twice."""
    async with open_intake(OLD) as desk:
        people = [await desk.a_referred_person() for _ in range(4)]
    async with open_intake(NEW, OLD) as desk:
        await ask(desk, "POST", "/rotate", {"reason": "the first try", "limit": 1})
        assert await status(desk) == {"former": 3, "current": 1}
        rotating = asyncio.create_task(vault_of(desk).rewrap(FIRST, 500))
        await asyncio.sleep(0)
        rotating.cancel()
        await asyncio.gather(rotating, return_exceptions=True)
    async with open_intake(NEW, OLD) as desk:
        await rotate(desk)
        assert await status(desk) == {"current": 4}
        assert {(await desk.fetch(referral)).status_code for _, referral, _ in people} == {200}


class Destroying(OperatorKeys):
    """Something destroys each data key while it is being wrapped anew."""

    act: Callable[[UUID], Awaitable[None]]

    async def wrap(self, secret: bytes, bound_to: bytes) -> Wrapped:
        await self.act(UUID(bytes=bound_to))
        return await super().wrap(secret, bound_to)


async def test_a_key_that_is_destroyed_meanwhile_does_not_come_back(open_intake: Open) -> None:
    """An erasure wins against a rotation."""
    async with open_intake(OLD) as desk:
        vault, key = vault_of(desk), new_data_key()
        await vault.keep(key)
        wrapper = Destroying(bytes.fromhex(NEW), [bytes.fromhex(OLD)])
        wrapper.act = vault.destroy  # type: ignore[method-assign]  # what the test is about
        await Vault(vault._keys, wrapper).rewrap(FIRST, 10)
        assert await vault.count() == {}


async def test_a_lost_key_shuts_the_gate_and_nothing_else(
    open_intake: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """503 for what it wraps, and the log names the key, never a person; withdrawals and new persons go on."""
    async with open_intake(OLD) as desk:
        case_ref, referral, (consent,) = await desk.a_referred_person()
    async with open_intake(NEW) as desk:
        assert await status(desk) == {"unknown": 1}
        problem(await desk.fetch(referral), 503, "not-available")
        problem(await desk.get(CITY, f"/v1/persons/{case_ref}/access", role="clerk"), 503, "not-available")
        assert key_id_of(bytes.fromhex(OLD)) in capsys.readouterr().out
        assert (await desk.withdraw(consent)).status_code == 200
        assert (await rotate(desk))[0]["stuck"] == 1
        await a_new_person(desk)
        metrics = (await desk.intake.client.get("/metrics")).text
        assert 'lotse_vault_keys{state="unknown"} 1.0' in metrics
        assert 'lotse_vault_keys{state="current"} 1.0' in metrics
    async with open_intake(NEW, OLD) as desk:
        await rotate(desk)
        assert await status(desk) == {"current": 2}


async def test_keys_from_before_they_had_names_are_opened_and_named(open_intake: Open) -> None:
    """By trying what is known; the next rotation says which it was."""
    async with open_intake(OLD) as desk:
        _, referral, _ = await desk.a_referred_person()
        async with vault_of(desk)._keys.transaction() as conn:
            await conn.execute("update vault.data_key set wrapped_by = null")
    async with open_intake(NEW, OLD) as desk:
        assert await status(desk) == {"unnamed": 1}
        assert (await desk.fetch(referral)).status_code == 200
        await rotate(desk)
        assert await status(desk) == {"current": 1}


@pytest.mark.parametrize("former", ["11" * 31, "not hex"])
async def test_a_former_key_that_is_cut_short_is_said_at_the_start(open_intake: Open, former: str) -> None:
    """With the name of the secret, not with what it holds."""
    with pytest.raises(StartError, match="vault-operator-key-former") as error:
        async with open_intake(NEW, former):
            pass
    assert former not in str(error.value)


class Kms:
    """A stand-in that answers the two documented calls of the Transit API, and what it answers when it cannot."""

    def __init__(self) -> None:
        self.keys = {"lotse": OperatorKeys(os.urandom(32))}
        self.fails: int | None = None
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.headers.get("X-Vault-Token") != "s3cret":
            return web.json_response({"errors": ["permission denied"]}, status=403)
        if self.fails:
            return web.json_response({"errors": ["no"]}, status=self.fails)
        key, said = self.keys.get(request.match_info["key"]), await request.json()
        if key is None:
            return web.json_response({"errors": ["encryption key not found"]}, status=404)
        from base64 import b64decode, b64encode

        bound_to = b64decode(said["associated_data"])
        if request.match_info["act"] == "encrypt":
            made = await key.wrap(b64decode(said["plaintext"]), bound_to)
            text = "vault:v1:" + b64encode(made.nonce + made.wrapped).decode()
            return web.json_response({"data": {"ciphertext": text, "key_version": 1}})
        sealed = b64decode(said["ciphertext"].removeprefix("vault:v1:"))
        try:
            secret = await key.unwrap(Wrapped(key.current, sealed[:12], sealed[12:]), bound_to)
        except InvalidTag:
            return web.json_response({"errors": ["cipher: message authentication failed"]}, status=400)
        return web.json_response({"data": {"plaintext": b64encode(secret).decode()}})


@pytest.fixture
async def kms() -> AsyncIterator[tuple[Kms, str]]:
    """The stand-in and its address."""
    stand_in = Kms()
    app = web.Application()
    app.router.add_post("/v1/transit/{act}/{key}", stand_in.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield stand_in, f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def test_a_kms_takes_over_from_the_operators_key(open_intake: Open, kms: tuple[Kms, str], tmp_path: Path) -> None:
    """Rotated like from one key to the next; afterwards nothing opens without the KMS."""
    stand_in, url = kms
    async with open_intake(OLD) as desk:
        _, referral, _ = await desk.a_referred_person()
    (tmp_path / "secrets" / "services" / "vault-kms-token").write_text("s3cret\n")
    async with open_intake(OLD, kms_url=url, kms_key="lotse") as desk:
        assert await status(desk) == {"former": 1}
        await rotate(desk)
        assert await status(desk) == {"current": 1}
        assert (await desk.fetch(referral)).status_code == 200
        await a_new_person(desk)
        for failure in (503, 403, 429, 404, 400):
            stand_in.fails = failure
            problem(await desk.fetch(referral), 503, "not-available")
        assert stand_in.asked[-1] == "/v1/transit/decrypt/lotse"
    async with open_intake(OLD) as desk:
        problem(await desk.fetch(referral), 503, "not-available")


async def test_what_the_kms_wrapped_opens_for_its_own_id_only(kms: tuple[Kms, str]) -> None:
    """The id of the data key goes along as associated data."""
    _, url = kms
    wrapper = TransitKms(url, "lotse", "s3cret")
    key = new_data_key()
    wrapped = await wrapper.wrap(key.secret, key.key_id.bytes)
    assert DataKey(key.key_id, await wrapper.unwrap(wrapped, key.key_id.bytes)) == key
    with pytest.raises(InvalidTag):
        await wrapper.unwrap(wrapped, bytes(16))
    with pytest.raises(WrappingKeyLost, match="unnamed"):
        await wrapper.unwrap(wrapped._replace(by=None), key.key_id.bytes)
    await wrapper.close()
    nobody = TransitKms("http://127.0.0.1:1", "lotse", "s3cret")
    with pytest.raises(WrapperAway):
        await nobody.wrap(key.secret, key.key_id.bytes)
    await nobody.close()


async def test_a_kms_needs_a_key_and_tls(open_intake: Open) -> None:
    """Said at the start, with the name of the setting."""
    with pytest.raises(StartError, match="LOTSE_KMS_KEY is not set"):
        async with open_intake(OLD, kms_url="https://kms.example"):
            pass
    with pytest.raises(ValueError, match="must begin with https"):
        async with open_intake(OLD, kms_url="http://kms.example", kms_key="lotse"):
            pass


async def test_only_operators_see_the_keys(intake: Running) -> None:
    """And operators see nobody by it."""
    answer = await intake.client.get("/admin/vault", headers=intake.headers(CITY, "clerk"))
    problem(answer, 403, "role-missing")
