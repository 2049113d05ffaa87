"""The difference between what Kafka should hold and what it holds."""

from dataclasses import replace

from deploy.cli.plan import Acl, Cluster, TopicState, desired_cluster, is_ours, plan

PARTNERS = ("awo-rheinland", "stadt-koblenz")
DESIRED = desired_cluster(PARTNERS)
AWO = "User:partner-awo-rheinland"


def test_an_empty_cluster_needs_everything() -> None:
    """All topics, users and rules are missing at first."""
    todo = plan(DESIRED, Cluster())
    assert set(todo.create_topics) == set(DESIRED.topics)
    assert set(todo.set_users) == DESIRED.users
    assert set(todo.add_acls) == DESIRED.acls
    assert not todo.remove_acls


def test_a_cluster_as_it_should_be_needs_nothing() -> None:
    """The plan of what is already there is empty."""
    assert plan(DESIRED, DESIRED).is_empty


def test_a_partner_may_read_its_stream_and_its_groups_and_nothing_else() -> None:
    """Three rules, one of them for groups that begin with the partner's user."""
    assert {acl for acl in DESIRED.acls if acl.principal == AWO} == {
        Acl(AWO, "topic", "lotse.partner.awo-rheinland.v1", "read"),
        Acl(AWO, "topic", "lotse.partner.awo-rheinland.v1", "describe"),
        Acl(AWO, "group", "partner-awo-rheinland", "read", prefixed=True),
    }


def test_only_the_notifier_may_write_to_partners() -> None:
    """No other service can put anything on a partner's stream."""
    writers = {
        acl.principal for acl in DESIRED.acls if acl.operation == "write" and acl.name.startswith("lotse.partner.")
    }
    assert writers == {"User:lotse-notifier"}


def test_only_intake_and_referral_may_write_about_cases() -> None:
    """What concerns persons comes from the two services that own it."""
    writers = {acl.principal for acl in DESIRED.acls if (acl.operation, acl.name) == ("write", "lotse.cases.v1")}
    assert writers == {"User:lotse-intake", "User:lotse-referral"}


def test_a_rule_too_many_is_removed() -> None:
    """AWO was once let into the City's stream by hand; the plan takes that back and nothing else."""
    extra = Acl(AWO, "topic", "lotse.partner.stadt-koblenz.v1", "read")
    todo = plan(DESIRED, replace(DESIRED, acls=DESIRED.acls | {extra}))
    assert todo.remove_acls == (extra,)
    assert not todo.add_acls


def test_a_rule_that_differs_in_one_part_is_replaced() -> None:
    """A rule for one host only is not the rule that should be there."""
    right = Acl(AWO, "topic", "lotse.partner.awo-rheinland.v1", "read")
    local = replace(right, host="127.0.0.1")
    todo = plan(DESIRED, replace(DESIRED, acls=DESIRED.acls - {right} | {local}))
    assert todo.add_acls == (right,)
    assert todo.remove_acls == (local,)


def test_a_partner_that_left_loses_user_and_rules_but_its_stream_stays() -> None:
    """Without its file a partner has no access; events already told are not deleted by a plan."""
    before = desired_cluster((*PARTNERS, "caritas-koblenz"))
    todo = plan(DESIRED, before)
    assert todo.remove_users == ("partner-caritas-koblenz",)
    assert {acl.principal for acl in todo.remove_acls} == {"User:partner-caritas-koblenz"}
    assert not todo.create_topics
    assert not todo.change_topics


def test_a_user_that_is_not_ours_is_left_alone() -> None:
    """The administrator and users of other systems stay."""
    todo = plan(DESIRED, replace(DESIRED, users=DESIRED.users | {"lotse-admin", "monitoring"}))
    assert todo.is_empty


def test_a_setting_that_differs_is_changed_alone() -> None:
    """Only the retention that somebody shortened is set again."""
    name = "lotse.cases.v1"
    found = TopicState(12, {**DESIRED.topics[name].config, "retention.ms": "1000"})
    (change,) = plan(DESIRED, replace(DESIRED, topics={**DESIRED.topics, name: found})).change_topics
    assert (change.name, change.config, change.before) == (
        name,
        {"retention.ms": str(400 * 24 * 3600 * 1000)},
        {"retention.ms": "1000"},
    )


def test_another_number_of_partitions_is_a_conflict() -> None:
    """Order per key would break, so no plan changes it."""
    name = "lotse.cases.v1"
    found = TopicState(6, DESIRED.topics[name].config)
    todo = plan(DESIRED, replace(DESIRED, topics={**DESIRED.topics, name: found}))
    assert todo.conflicts
    assert not todo.change_topics


def test_retention_is_as_agreed() -> None:
    """Cases 400 days, the directory for ever, a partner's stream 90 days."""
    days = {name: int(state.config["retention.ms"]) / 86_400_000 for name, state in DESIRED.topics.items()}
    assert days["lotse.cases.v1"] == 400
    assert days["lotse.directory.v1"] < 0
    assert days["lotse.partner.awo-rheinland.v1"] == 90


def test_one_broker_flushes_every_record_and_three_need_two_copies() -> None:
    """An acknowledged record is on a disk or on two brokers."""
    assert DESIRED.topics["lotse.cases.v1"].config["flush.messages"] == "1"
    three = desired_cluster(PARTNERS, replication=3).topics["lotse.cases.v1"].config
    assert three["min.insync.replicas"] == "2"
    assert "flush.messages" not in three


def test_another_prefix_moves_every_topic() -> None:
    """Two installations on one cluster do not meet."""
    assert all(name.startswith("other.") for name in desired_cluster(PARTNERS, prefix="other").topics)


def test_a_strangers_rule_on_our_topic_is_ours_to_remove() -> None:
    """Whoever it is about: a rule that opens a topic of Lotse's is drift; one on another topic is not."""
    assert is_ours(Acl("User:stranger", "topic", "lotse.cases.v1", "read"))
    assert not is_ours(Acl("User:stranger", "topic", "billing", "read"))
