"""Free TCP ports on loopback, the same ones again after a restart."""

import json
import os
import secrets
import socket
import time
from threading import Lock

from deploy.local.errors import StackError
from deploy.local.layout import Layout

LOOPBACK = "127.0.0.1"
# Below the ports that systems give to outgoing connections: while a server is down, one of its own clients that
# keeps reconnecting could otherwise be given the server's port and hold it.
FIRST_PORT, LAST_PORT = 20000, 32000

# PostgreSQL and Kafka are started at the same time and write the same file.
_choosing = Lock()


def remembered_ports(layout: Layout, **wishes: int) -> dict[str, int]:
    """A free port for each name: the one it had last time, else the one wished for (0: any), else any.

    The choice is written to `run/ports.json`. LOTSE_PORTS=FIRST-LAST draws all from that range and grants no wish, so
    that stacks which start at the same moment do not choose the same.
    """
    if "LOTSE_PORTS" in os.environ:
        wishes = dict.fromkeys(wishes, 0)
    with _choosing:
        known = known_ports(layout)
        for name, wish in wishes.items():
            taken = {port for other, port in known.items() if other != name}
            known[name] = _choose((known.get(name, 0), wish), taken)
        (layout.run / "ports.json").write_text(json.dumps(known, indent=1))
    return {name: known[name] for name in wishes}


def known_ports(layout: Layout) -> dict[str, int]:
    """The ports chosen so far, by name."""
    file = layout.run / "ports.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def is_free(port: int) -> bool:
    """Whether nobody listens on this port. Connections of the past in TIME_WAIT do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Whether somebody takes connections on this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_until_free(ports: list[int], timeout_seconds: float = 10) -> list[int]:
    """Wait for the ports to be given back. Returns those that still are not."""
    deadline = time.monotonic() + timeout_seconds
    while (taken := [port for port in ports if not is_free(port)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return taken


def _choose(candidates: tuple[int, ...], taken: set[int]) -> int:
    good = (port for port in candidates if port and port not in taken and is_free(port))
    return next(good, 0) or _another_port(taken)


def _another_port(taken: set[int]) -> int:
    first, last = _range()
    while True:
        port = first + secrets.randbelow(last - first)
        if port not in taken and is_free(port):
            return port


def _range() -> tuple[int, int]:
    """Where ports are drawn from. Raises StackError when LOTSE_PORTS is not FIRST-LAST."""
    first, _, last = os.environ.get("LOTSE_PORTS", f"{FIRST_PORT}-{LAST_PORT}").partition("-")
    if not (first.isdigit() and last.isdigit() and 1024 <= int(first) < int(last) <= 65535):
        raise StackError("LOTSE_PORTS is not a range of ports.", "Write it as in LOTSE_PORTS=20000-26000.")
    return int(first), int(last)
