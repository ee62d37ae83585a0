"""Runs ministack with our extensions and the load balancer's front door.

Usage: ``python -m pipeline.localaws.server`` in the emulators' environment; settings come as ``LOCALAWS_*``.
"""

import asyncio
import logging
import resource
import signal
import threading
from typing import Any

from pipeline.localaws import (
    authority,
    balancer,
    certificates,
    databases,
    emulator,
    firewall,
    lifetime,
    logs,
    network,
    policies,
    registry,
    restart,
    secrets,
    services,
    settings,
    snapshots,
    tasks,
    versions,
)
from pipeline.localaws.settings import Settings
from pipeline.localaws.targets import Tracker

KEEP_ALIVE = 75
logger = logging.getLogger("localaws")


def extend(chosen: Settings) -> Tracker:
    """Installs every extension; ministack must not serve yet."""
    tracker = Tracker()
    balancer.install(tracker)
    tasks.install(chosen, services.install(tracker))
    databases.install(chosen)
    secrets.install()
    network.install()
    certificates.install()
    firewall.install()
    policies.install()
    logs.install()
    authority.install(chosen.state)
    registry.install(chosen.state / "registry")
    return tracker


def start_data_plane(tracker: Tracker, chosen: Settings) -> None:
    """Health checks and the front door, on an event loop and a thread of their own.

    Raises:
        SystemExit: The front door could not listen.
    """
    from pipeline.localaws import checks, frontdoor  # noqa: PLC0415 - aiohttp takes its time

    ready = threading.Event()
    failure: list[BaseException] = []

    async def run() -> None:
        doors = {frontdoor.HTTP_PORT: chosen.http_port, frontdoor.HTTPS_PORT: chosen.https_port}
        tls = authority.Certificates(chosen.state).default
        listening = asyncio.create_task(frontdoor.serve(tracker, doors, tls, ready.set))
        await asyncio.gather(listening, checks.run(tracker))

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failure.append(error)
            logger.exception("the load balancer's data plane has ended")
            ready.set()

    threading.Thread(target=work, daemon=True, name="localaws-data-plane").start()
    ready.wait()
    if failure:
        raise SystemExit(f"the load balancer's front door cannot serve: {failure[0]}")


async def serve(app: Any, chosen: Settings) -> None:
    """Serves the API on loopback, also by HTTPS, and to tasks on their network's gateway, until SIGTERM or SIGINT."""
    from hypercorn.asyncio import serve as hypercorn_serve  # noqa: PLC0415 - after the version check
    from hypercorn.config import Config  # noqa: PLC0415

    asked = asyncio.Event()

    def end() -> None:
        lifetime.ending.set()
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    config = Config()
    gateway = tasks.gateway(emulator.service("ecs")._get_docker(), chosen.network)
    config.insecure_bind = [f"{host}:{chosen.api_port}" for host in ("127.0.0.1", gateway) if host]
    config.bind = [f"127.0.0.1:{chosen.api_tls_port}"]
    pem = authority.leaf(
        chosen.state, "localhost", authority.LOCAL_NAMES, authority.LOCAL_ADDRESSES
    )
    config.certfile = config.keyfile = str(pem)
    config.keep_alive_timeout = KEEP_ALIVE
    config.loglevel = "WARNING"
    await hypercorn_serve(app, config, shutdown_trigger=asked.wait)


def main() -> None:
    """Serves until it is ended."""
    versions.check("ministack")
    chosen = settings.from_environment()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    from ministack import app  # noqa: PLC0415 - after the version check

    tracker = extend(chosen)
    restart.install(app)
    start_data_plane(tracker, chosen)
    snapshots.start(app)
    threading.Thread(target=databases.restart_ended, daemon=True, name="localaws-databases").start()
    asyncio.run(serve(app.app, chosen))


if __name__ == "__main__":
    main()
