"""The HTTP connection below the API: whoever never finishes a request's head, in size or in time, is let go.

uvicorn waits for the end of a head as long as it takes and keeps all of it, and of trailers after a body as well:
enough slow connections, or one endless header, would take a process down without a token. So would enough idle ones.
"""

import json
from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.chassis.problems import Refusal, problem_response

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 64 * 1024
MAX_CONNECTIONS = 1000

HEAD_TOO_SLOW = Refusal(408, "head-too-slow", f"Address and headers must arrive within {HEAD_SECONDS:g} s.")
HEAD_TOO_LARGE = Refusal(431, "head-too-large", f"Address and headers have at most {MAX_HEAD_BYTES} bytes.")
TOO_MANY_CONNECTIONS = Refusal(
    503, "too-many-connections", "Too many connections are open; nothing was stored, try again.", retry_after_seconds=5
)


class BoundedHead(HttpToolsProtocol):
    """uvicorn's own protocol with an end to the wait for a head and to the number of connections; bodies are bounded
    in `bodies`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._beside_body = 0
        self._head_ends: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """A connection that says nothing is let go as well, and one too many at once."""
        super().connection_made(transport)
        self._expect_head()
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(TOO_MANY_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, of a body, or of both."""
        if self._head_ends is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        self._beside_body += len(data)
        super().data_received(data)
        if self._beside_body > MAX_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The request begins."""
        self._head_is_there()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """What is left beside the body are head, sizes of chunks and trailers."""
        self._beside_body -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next request begins to count."""
        self._beside_body = 0
        super().on_message_complete()

    def _expect_head(self) -> None:
        self._head_ends = self.loop.call_later(HEAD_SECONDS, self._refuse, HEAD_TOO_SLOW)

    def _head_is_there(self) -> None:
        if self._head_ends is not None:
            self._head_ends.cancel()
            self._head_ends = None

    def send_400_response(self, msg: str) -> None:
        """Also what is no HTTP at all is answered with a problem."""
        self._refuse(Refusal(400, "not-http", "This is not a request of HTTP 1.1."))

    def _refuse(self, refusal: Refusal) -> None:
        self._head_is_there()
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        answer = problem_response(refusal)
        head = f"HTTP/1.1 {refusal.status} {json.loads(bytes(answer.body))['title']}\r\n".encode()
        fields = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
        self.transport.write(head + fields + b"connection: close\r\n\r\n" + bytes(answer.body))
        self.transport.close()
