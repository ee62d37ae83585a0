"""Production settings of gunicorn; the command gives address and number of workers, ``PORT`` the port.

The times form one chain: the load balancer's idle timeout (60) < keep-alive here (65), so that the balancer never
reuses a connection which is just closing; drain (5) + graceful timeout (20) < the 60 that ECS and Kubernetes wait.
"""

import atexit
import gc
import os
import shutil
import tempfile
from typing import Any

# Before the first import of prometheus_client, which looks at it once.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="thanksgiving-metrics-")

from thanksgiving import lifecycle
from thanksgiving.observability import LOGGING

DEVELOPMENT = os.environ.get("ENVIRONMENT") == "development"
DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "0" if DEVELOPMENT else "5"))
MASTER = os.getpid()

# Threads keep idle connections open without holding a thread each; the default sync worker would close them.
worker_class = "gthread"
threads = int(os.environ.get("THREADS", "8"))
keepalive = 65
graceful_timeout = 20
# Imported once and shared by the workers: a faster start and less memory. Development reloads changed files instead.
preload_app = not DEVELOPMENT
reload = DEVELOPMENT
# Only the application decides which forwarded headers to trust (TRUSTED_PROXIES).
forwarded_allow_ips = ""
# The root file system is read-only; the heartbeat file must not lie on a disk that can stall.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn's own advice
control_socket_disable = True
logconfig_dict = LOGGING


@atexit.register
def remove_metrics() -> None:
    if os.getpid() == MASTER:  # workers inherit this, and end earlier
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


def on_starting(server: Any) -> None:
    """Moves the address that the command gives to ``PORT``."""
    if port := os.environ.get("PORT"):
        given = server.cfg.settings["bind"].get()
        server.cfg.set("bind", [f"{address.rpartition(':')[0]}:{port}" for address in given])


def when_ready(server: Any) -> None:
    """Takes what is imported out of garbage collection; hooks the drain in after gunicorn's own signal handlers."""
    gc.freeze()
    lifecycle.delay_stop(server, DRAIN_SECONDS)
