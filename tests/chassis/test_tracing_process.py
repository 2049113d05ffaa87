"""A traced service as a process: its spans reach the collector, and a collector that hangs does not keep it."""

import asyncio
import gzip
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.chassis.config import Settings
from tests.chassis.test_start import free_port, start
from tests.conftest import eventually
from tests.harness import make_settings

# Graceful stop is promised in less than this.
STOP_SECONDS = 10.0


class Collector:
    """Takes OTLP on a free port; one that hangs reads and never answers."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs
        self.port = 0
        self.asked = 0
        self.spans: list[str] = []
        self._connections: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Collector":
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.append(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                await self._answer(head.lower(), reader, writer)
        except asyncio.IncompleteReadError:
            """The process has ended."""
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        if self.hangs:
            await asyncio.sleep(60)
        raw = gzip.decompress(body) if b"content-encoding: gzip" in head else body
        for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
            self.spans += [span.name for scope in resource.scope_spans for span in scope.spans]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()


@pytest.fixture
async def settings(tmp_path: Path, create_database: Any, stack: Any, topic_prefix: str) -> Settings:
    """On real servers."""
    return make_settings(
        tmp_path,
        await create_database("chassis"),
        kafka=stack.kafka.bootstrap,
        kafka_user=stack.kafka.admin,
        kafka_password=stack.kafka.password,
        topic_prefix=topic_prefix,
    )


async def ready(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture(params=[False, True], ids=["takes", "hangs"])
async def collector(request: pytest.FixtureRequest) -> AsyncIterator[Collector]:
    """One of each kind."""
    async with Collector(hangs=request.param) as made:
        yield made


async def test_a_traced_process_answers_and_ends_in_time_whatever_its_collector_does(
    settings: Settings, collector: Collector
) -> None:
    """Two batches of spans are under way when it is asked to end; a collector that works gets every one."""
    port = free_port()
    process = start(
        settings,
        LOTSE_HTTP_PORT=str(port),
        LOTSE_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}",
        LOTSE_TRACE_RATIO="1",
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await eventually(lambda: ready(client), 30)
            for _ in range(600):
                assert (await client.get("/v1/things/00000000-0000-0000-0000-000000000000")).status_code == 401
        await eventually(lambda: collector.asked)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        output, errors = await asyncio.to_thread(process.communicate, timeout=30)
    finally:
        process.kill()
    assert time.monotonic() - began < STOP_SECONDS
    assert (process.returncode, errors) == (0, "")
    assert '"service_stopped"' in output
    assert collector.spans == ([] if collector.hangs else ["GET /v1/things/{thing_id}"] * 600)
