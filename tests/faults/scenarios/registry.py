"""All scenarios by name, in the order they are played."""

from dataclasses import dataclass

from tests.faults.run import Strike
from tests.faults.scenarios import broker, brokers, database, network, poison, restore, services
from tests.faults.site import NAMES, OpenSite, open_behind_proxy, open_site, open_three_brokers


@dataclass(frozen=True)
class Scenario:
    """One fault. site: what it is played on. spoils: that site, for others."""

    name: str
    strike: Strike
    site: OpenSite = open_site
    spoils: bool = False


SCENARIOS = (
    *(Scenario(f"{name} killed", services.killed(name)) for name in NAMES),
    Scenario("all services killed at once", services.killed(*NAMES)),
    Scenario("relays die between acknowledgement and delete", services.relays_die_between_ack_and_delete),
    Scenario("consumers die between commit and next poll", services.consumers_die_between_commit_and_poll),
    Scenario("every fifth send refused", services.sends_are_refused),
    Scenario("second process of each service started and killed", services.a_second_process_comes_and_dies),
    Scenario("broker killed for 10 s", broker.broker_killed(10)),
    Scenario("broker killed for 60 s", broker.broker_killed(60)),
    Scenario("broker killed for 300 s", broker.broker_killed(300)),
    Scenario("broker and all services killed", broker.broker_killed_and_all_services_too),
    Scenario("PostgreSQL killed", database.server_killed),
    Scenario("database connections cut in mid-transaction", database.backends_terminated),
    Scenario("disk of the databases full", database.disk_full),
    Scenario("tables locked for 30 s", database.lock_held),
    Scenario("producers' clock steps back two minutes", database.clock_steps_back),
    *(Scenario(f"database of {name} set back to a dump", restore.set_back(name)) for name in NAMES),
    Scenario("poison in the middle of cases", poison.poisoned, spoils=True),
    Scenario("three brokers, each killed in turn", brokers.each_killed_in_turn, open_three_brokers),
    Scenario("three brokers, two killed at once", brokers.two_killed_at_once, open_three_brokers),
    Scenario("three brokers, leaders moved", brokers.leaders_moved, open_three_brokers),
    Scenario("slow, cutting, half-closing network before the broker", network.bad_network, open_behind_proxy),
)

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
