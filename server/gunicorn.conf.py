"""Settings of gunicorn for an application that has no ``gunicorn.conf.py`` of its own.

The times form one chain: the load balancer's idle timeout (60) < keep-alive here (65), so that the balancer never
reuses a connection which is just closing; drain (5) + graceful timeout (20) < the 60 that ECS and Kubernetes wait.
"""

import os
import signal
from types import FrameType
from typing import Any

DEVELOPMENT = os.environ.get("ENVIRONMENT") == "development"
DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "0" if DEVELOPMENT else "5"))

# Threads keep idle connections open without holding a thread each; the default sync worker would close them.
worker_class = "gthread"
threads = int(os.environ.get("THREADS", "8"))
keepalive = 65
graceful_timeout = 20
timeout = 30
reload = DEVELOPMENT
accesslog = "-"
# The load balancer alone reaches the port: what it says of the scheme is believed.
forwarded_allow_ips = "*" if os.environ.get("TRUSTED_PROXIES", "0") != "0" else ""
# The root file system is read-only; the heartbeat file must not lie on a disk that can stall.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn's own advice
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Moves the address that the command gives to ``PORT``: an earlier image's command names its own."""
    if port := os.environ.get("PORT"):
        given = server.cfg.settings["bind"].get()
        server.cfg.set("bind", [f"{address.rpartition(':')[0]}:{port}" for address in given])


def when_ready(server: Any) -> None:
    """Makes gunicorn's master serve on for ``DRAIN_SECONDS`` between SIGTERM and its own graceful stop."""

    def on_alarm(_signal: int, frame: FrameType | None) -> None:
        server.signal(signal.SIGTERM, frame)

    def on_term(_signal: int, frame: FrameType | None) -> None:
        if DRAIN_SECONDS > 0:
            signal.setitimer(signal.ITIMER_REAL, DRAIN_SECONDS)
        else:
            on_alarm(_signal, frame)

    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, on_term)
