"""`lotse watch PARTNER`: what a partner's own system sees."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from deploy.cli.errors import CliError
from deploy.cli.provision import read_partners
from deploy.cli.running import attach_kafka
from deploy.cli.screen import err
from deploy.local.layout import default_layout
from deploy.local.services import sources_from
from deploy.topology import partner_topic
from schemas.partner_file import UnknownPartner


def register(app: typer.Typer) -> None:
    app.command()(watch)


def watch(
    partner: Annotated[str, typer.Argument(help="The partner's slug, for instance awo-rheinland.")],
    as_json: Annotated[bool, typer.Option("--json", help="One CloudEvent in JSON a line.")] = False,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Everything still kept.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="End after so many events; 0: never.")] = 0,
) -> None:
    """Follow a partner's stream with that partner's own Kafka user, one event a line."""
    partners = read_partners(sources_from(os.environ).partners)
    try:
        file = partners.partner(partner)
    except UnknownPartner as unknown:
        raise CliError(f"{str(unknown).capitalize()}.", "Name one of these.") from unknown
    kafka, secrets = attach_kafka(default_layout(), os.environ)
    login = kafka.asyncio_client(file.kafka_user, secrets.kafka_password(file.secrets.kafka_password))
    topic = partner_topic(partner).full_name()
    show = to_json if as_json else to_line
    asyncio.run(_follow(login, topic, from_beginning, limit, show))


async def _follow(
    login: dict[str, str], topic: str, from_beginning: bool, limit: int, show: Callable[[ConsumerRecord], str]
) -> None:
    async with _reader(login, topic) as client:
        partition = TopicPartition(topic, 0)
        client.assign([partition])
        await (client.seek_to_beginning(partition) if from_beginning else client.seek_to_end(partition))
        err.print(f"following {topic}; end with Ctrl-C", markup=False)
        shown = 0
        async for record in client:
            typer.echo(show(record))
            shown += 1
            if shown == limit:
                return


@asynccontextmanager
async def _reader(login: dict[str, str], topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    client = AIOKafkaConsumer(**login, enable_auto_commit=False)
    try:
        await client.start()
        # A topic one may not read is not listed; assigning it all the same would wait for ever.
        if topic not in await client.topics():
            raise CliError(f"{topic} does not exist or is closed to this partner.", "`lotse apply` mends both.")
        yield client
    except KafkaError as failed:
        raise CliError(
            f"Kafka does not let {login['sasl_plain_username']} in: {failed}", "`lotse apply` sets its password again."
        ) from failed
    finally:
        await client.stop()


def to_line(record: ConsumerRecord) -> str:
    """An event as one line: time, number in the stream, type, key, and its data in short."""
    event = to_event(record)
    when = datetime.fromisoformat(event["time"]).astimezone().strftime("%H:%M:%S.%f")[:-3]
    kind = event["type"].removeprefix("lotse.")
    data = event.get("data")
    short = " ".join(f"{key}={_short(value)}" for key, value in data.items()) if isinstance(data, dict) else str(data)
    return f"{when}  #{int(event['sequence'])}  {kind}  {event.get('subject', '')}  {short}"


def to_json(record: ConsumerRecord) -> str:
    """An event as a CloudEvent in JSON."""
    return json.dumps(to_event(record), ensure_ascii=False)


def to_event(record: ConsumerRecord) -> dict[str, Any]:
    """The CloudEvent of a record in binary mode: attributes from the headers, data from the value."""
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    attributes = {name.removeprefix("ce_"): value for name, value in headers.items() if name.startswith("ce_")}
    content_type = headers.get("content-type", "application/json")
    return {**attributes, "datacontenttype": content_type, "data": json.loads(record.value or b"null")}


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
