"""Runs ministack with our extensions and the load balancers' data plane: ``python -m localaws.server <state>``."""

import asyncio
import logging
import resource
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from localaws import authority, emulator, processes, restart, settings, versions
from localaws.acm import certificates
from localaws.cloudwatch import alarms, evaluation
from localaws.ec2 import network
from localaws.ecr import lifecycle, referrers, registry
from localaws.ecs import autoscaling, exec_command, services, tasks
from localaws.elb import access_logs, balancer, refusals
from localaws.elb.targets import Tracker
from localaws.iam import policies
from localaws.kms import keys
from localaws.rds import databases
from localaws.secretsmanager import rotation as secrets
from localaws.settings import Settings
from localaws.waf import logging as firewall

KEEP_ALIVE = 75
logger = logging.getLogger("localaws")


def extend(chosen: Settings) -> Tracker:
    """Installs every extension; ministack must not serve yet."""
    tracker = Tracker()
    balancer.install(tracker)
    access_logs.install()
    refusals.install()
    tasks.install(chosen, services.install(tracker))
    exec_command.install()
    databases.install(chosen)
    secrets.install()
    network.install()
    certificates.install()
    firewall.install()
    alarms.install()
    policies.install()
    keys.install()
    authority.install(chosen.state)
    registry.install(chosen.state / "registry")
    lifecycle.install()
    referrers.install()
    return tracker


def start_data_plane(tracker: Tracker, chosen: Settings) -> None:
    """Starts health checks and front door in a thread; raises SystemExit when they cannot listen."""
    from localaws.elb import checks, frontdoor  # noqa: PLC0415 - aiohttp takes its time

    ready = threading.Event()
    failure: list[BaseException] = []

    async def run() -> None:
        doors = {frontdoor.HTTP_PORT: chosen.http_port, frontdoor.HTTPS_PORT: chosen.https_port}
        tls = authority.front_door(chosen.state)
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

    ended = asyncio.Event()

    def end() -> None:
        emulator.ending.set()
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    config = Config()
    gateway = tasks.gateway(emulator.ecs._get_docker(), chosen.network)
    config.insecure_bind = [f"{host}:{chosen.api_port}" for host in ("127.0.0.1", gateway) if host]
    config.bind = [f"127.0.0.1:{chosen.api_tls_port}"]
    config.certfile = config.keyfile = str(authority.leaf(chosen.state))
    config.keep_alive_timeout = KEEP_ALIVE
    config.loglevel = "WARNING"
    await hypercorn_serve(app, config, shutdown_trigger=ended.wait)


def main() -> None:
    chosen = settings.complete(settings.recorded(Path(sys.argv[1])))
    processes.announce(chosen)
    versions.check()
    emulator.prepare(chosen)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    from ministack import app  # noqa: PLC0415 - after the version check

    tracker = extend(chosen)
    autoscaling.install(app)
    restart.install(app)
    start_data_plane(tracker, chosen)
    for work in (
        partial(restart.save, app),
        databases.restart_ended,
        partial(evaluation.run, tracker),
    ):
        threading.Thread(target=work, daemon=True).start()
    asyncio.run(serve(app.app, chosen))


if __name__ == "__main__":
    main()
