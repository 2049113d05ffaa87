"""Talking to a service's `/admin` API as an operator."""

import getpass
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from deploy.cli.errors import CliError
from deploy.cli.running import NOT_RUNNING
from deploy.local.issuer import issuer_of
from deploy.local.layout import Layout
from deploy.local.ports import LOOPBACK, known_ports
from deploy.topology import SERVICES

TOKEN_LIFE = timedelta(minutes=5)
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class AdminClient:
    """One service, asked with an operator's token."""

    service: str
    url: str
    token: str

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Look. Raises CliError with the service's own sentence when it says no."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", f"{path}?{urllib.parse.urlencode(given)}", None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Act, once: the same as `get` for what it raises."""
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid4()),
        }
        # The scheme was checked when the client was made.
        request = urllib.request.Request(f"{self.url}/admin/{path}", body, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                return dict(json.load(answer))
        except urllib.error.HTTPError as refusal:
            raise self._refused(refusal) from None
        except (OSError, ValueError) as error:
            raise CliError(f"{self.service} does not answer at {self.url} ({error}).", "Is it running?") from None

    def _refused(self, refusal: urllib.error.HTTPError) -> CliError:
        with refusal:
            try:
                problem = json.load(refusal)
                detail, fields = str(problem["detail"]), [each["field"] for each in problem["errors"]]
            except (ValueError, KeyError, TypeError):
                return CliError(f"{self.service} answered {refusal.code}.", f"Is {self.url} a service of Lotse?")
        named = f" ({', '.join(fields)})" if fields else ""
        return CliError(f"{self.service} says no: {detail}", f"{refusal.code} {problem['type']}{named}")


def clients(layout: Layout, service: str | None, url: str, token_file: Path | None) -> list[AdminClient]:
    """The services to ask: the local stack's, or the one at `url` with the token of that file. Raises CliError."""
    if url or token_file:
        return [_remote(service or "the service", url, token_file)]
    ports = known_ports(layout)
    names = [each.name for each in SERVICES] if service is None else [service]
    if service is not None and service not in {each.name for each in SERVICES}:
        raise CliError(f"There is no service {service}.", f"Name one of {', '.join(s.name for s in SERVICES)}.")
    if any(name not in ports for name in names):
        raise NOT_RUNNING
    token = issuer_of(layout).issue_token("", "", ["operator"], TOKEN_LIFE, f"lotse-cli:{_login()}")
    return [AdminClient(name, f"http://{LOOPBACK}:{ports[name]}", token) for name in names]


def _remote(service: str, url: str, token_file: Path | None) -> AdminClient:
    if not url or token_file is None:
        raise CliError("Another installation needs both --url and --token-file.", "Give the one that is missing.")
    if not url.startswith(("https://", "http://")):
        raise CliError(f"{url} is not an address.", "It begins with https:// or http://.")
    try:
        token = token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{token_file} cannot be read ({error}).", "It holds an operator's token and no more.") from None
    if not token or not token.isprintable():
        raise CliError(f"{token_file} holds no token.", "It holds an operator's token and no more.")
    return AdminClient(service, url.rstrip("/"), token)


def _login() -> str:
    """Who is at the keyboard, as the machine knows them: the author of an act."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
