"""The notifier's HTTP API."""

from services.notifier.api import recalls, stream

ROUTERS = (stream.router, recalls.router)
