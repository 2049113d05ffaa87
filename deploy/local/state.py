"""What the supervisor says of itself, for whoever asks: `run/state.json`."""

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Literal

from deploy.local.layout import Layout

Status = Literal["starting", "ready", "failed", "stopping"]


@dataclass(frozen=True)
class State:
    """How far the stack is. `doing`: the present step in words. `restarts`: how often each part was started again."""

    status: Status
    doing: str = ""
    way_out: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    kafka: str = ""


def write_state(layout: Layout, state: State) -> None:
    draft = layout.run / f".state.{os.getpid()}"
    draft.write_text(json.dumps(asdict(state), indent=1))
    draft.replace(layout.run / "state.json")


def read_state(layout: Layout) -> State | None:
    """The last state written, which may be of a supervisor that is gone."""
    file = layout.run / "state.json"
    return State(**json.loads(file.read_text())) if file.exists() else None


def forget_state(layout: Layout) -> None:
    (layout.run / "state.json").unlink(missing_ok=True)
