"""What the City reads of a referral and of the agreement."""

from typing import Any

from deploy.demo.cast import CITY_CLERK
from deploy.demo.play import Play
from deploy.demo.unexpected import Unexpected


async def city_reads(play: Play, referral: str, state: str) -> Any:
    """A referral as the City sees it. Raises Unexpected when it reads another state."""
    seen = await play.services.look(CITY_CLERK, "referral", f"/v1/referrals/{referral}")
    if seen["state"] != state:
        raise Unexpected(f"dass die Stadt den Stand {state} liest", seen["state"])
    return seen


async def compliance(play: Play, year: int) -> dict[str, Any]:
    """The agreement clause by clause in a year."""
    document: dict[str, Any] = await play.services.look(CITY_CLERK, "reporting", f"/v1/compliance?year={year}")
    return document


async def counted(play: Play) -> dict[str, int]:
    """How often each clause was done in the years in which the story is played: its clock may pass New Year."""
    sums: dict[str, int] = {}
    for year in range(play.began.year, play.today.year + 1):
        for clause in (await compliance(play, year))["clauses"]:
            if clause["done"] is not None:
                sums[clause["id"]] = sums.get(clause["id"], 0) + clause["done"]
    return sums
