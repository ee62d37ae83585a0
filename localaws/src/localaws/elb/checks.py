"""Sends the health checks, each target on its own rhythm, from the data plane's event loop."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

import aiohttp

from localaws.elb import balancer
from localaws.elb.health import (
    FAILED,
    LOOK,
    PASSED,
    TIMED_OUT,
    Check,
    Outcome,
    held_up,
    matches,
    mismatch,
)
from localaws.elb.targets import Target, Tracker

#: While a new target starts it is asked this often (s), so that it takes traffic as soon as it can. AWS comes near
#: to that with one checker in each zone. Only what fails on the group's own interval counts against the target.
STARTING_INTERVAL = 0.5

logger = logging.getLogger("localaws.health")


@dataclass
class Pulse:
    """Counts the looks at what is registered: they slow down when this process is held up."""

    looks: int = 0


async def run(tracker: Tracker) -> None:
    """Checks all registered targets until cancelled."""
    connector = aiohttp.TCPConnector(force_close=True, limit=0, ssl=False)
    pulse = Pulse()
    async with aiohttp.ClientSession(connector=connector) as session:
        watched: dict[tuple[Target, float], asyncio.Task[None]] = {}
        while True:
            for group, registered in balancer.registrations():
                tracker.sync(group, registered, balancer.deregistration_delay(group))
            wanted = set(tracker.registered().items())
            for key in wanted - watched.keys():
                watched[key] = asyncio.create_task(_watch(session, tracker, pulse, *key))
            for key in watched.keys() - wanted:
                watched.pop(key).cancel()
            pulse.looks += 1
            await asyncio.sleep(LOOK)


async def _watch(
    session: aiohttp.ClientSession, tracker: Tracker, pulse: Pulse, target: Target, since: float
) -> None:
    """Checks one target as long as it is registered. ``since`` is on the tracker's clock.

    AWS checks from machines of its own. What fails while this process is held up by its neighbours says nothing.
    """
    due = since
    while True:
        check = balancer.check_of(target.group)
        health = tracker.health(target)
        if check is None or health is None:
            return
        began, looks = tracker.clock(), pulse.looks
        outcome = await probe(session, target, check) if check.enabled else PASSED
        if not outcome.passed and held_up(tracker.clock() - began, pulse.looks - looks):
            logger.warning("%s:%s: a check in a hold-up", target.address, target.port)
            continue
        starting = health.state == "initial"
        # A target that is still starting fails only on the rhythm of its group.
        if outcome.passed or not starting or began >= due + check.interval:
            if began >= due + check.interval:
                due = began
            before = health.state
            tracker.record(target, check, outcome)
            if health.state is not before:
                logger.info(
                    "%s:%s is %s %s", target.address, target.port, health.state, health.description
                )
        wait = (
            min(STARTING_INTERVAL, check.interval) if health.state == "initial" else check.interval
        )
        await asyncio.sleep(max(0.0, began + wait - tracker.clock()))


async def probe(session: aiohttp.ClientSession, target: Target, check: Check) -> Outcome:
    """One check, as the load balancer sends it."""
    url = f"{check.scheme}://{target.address}:{check.port or target.port}{check.path}"
    timeout = aiohttp.ClientTimeout(total=check.timeout)
    headers = {"User-Agent": "ELB-HealthChecker/2.0"}
    with contextlib.suppress(aiohttp.ClientError, OSError):
        try:
            async with session.get(
                url, timeout=timeout, headers=headers, allow_redirects=False
            ) as response:
                await response.read()
                if matches(check.matcher, response.status):
                    return PASSED
                return mismatch(response.status)
        except TimeoutError:
            return TIMED_OUT
    return FAILED
