"""Every port of this repository, in one place. ``PORT_OFFSET`` moves all: two checkouts can run side by side."""

import os
import socket

import psutil

from pipeline.core.errors import PipelineError

_TEXT = os.environ.get("PORT_OFFSET", "0")
if not _TEXT.isdigit() or int(_TEXT) > 20000:  # noqa: PLR2004 - the highest port stays below 65,536
    raise PipelineError(
        f"PORT_OFFSET is {_TEXT!r}", next_step="set it to a whole number from 0 to 20000"
    )
OFFSET = int(_TEXT)
COMPOSE_WEB = 5000 + OFFSET
AWS_API = 4566 + OFFSET
AWS_API_TLS = 4568 + OFFSET
BALANCER_HTTP = 8080 + OFFSET
BALANCER_HTTPS = 8443 + OFFSET
RDS_BASE = 15432 + OFFSET
KUBERNETES_API = 16443 + OFFSET
KUBERNETES_WEB = 8081 + OFFSET
GIT = 19418 + OFFSET


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Who listens on the port: ``name (pid 123)``, or ``another process`` where the system does not tell."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "another process"
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == port and connection.pid:
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"


def require_free(port: int, purpose: str) -> None:
    """Raises PipelineError naming the holder when the port that ``purpose`` needs is taken."""
    if not is_free(port):
        raise PipelineError(
            f"port {port}, needed for {purpose}, is taken by {holder(port)}",
            next_step="end that process, or choose other ports with PORT_OFFSET=100 ./inv …",
        )
