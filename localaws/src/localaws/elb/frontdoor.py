"""Data plane of the load balancers: listeners on loopback that forward to healthy targets as an ALB does.
What its target refuses or does not answer is the client's 502 or 504; no other target is asked.
"""

import asyncio
import itertools
import logging
import ssl
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from localaws.elb import balancer, figures
from localaws.elb.targets import Target, Tracker
from localaws.emulator import alb, responses
from localaws.waf import bodies

CONNECT_TIMEOUT = 10.0
#: Seconds that an idle connection to a target is kept.
DEFAULT_KEEPALIVE = 60.0
CHUNK = 65536
LOOPBACK = "127.0.0.1"
HTTP_PORT = 80
HTTPS_PORT = 443
SERVER = "awselb/2.0"

#: Headers that belong to one connection and are not passed on (RFC 9110, 7.6.1).
_HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    ]
)
#: Headers that aiohttp would add.
_NOT_COPIED = ("user-agent", "accept", "accept-encoding", "content-type")
_REASONS = {
    403: "Forbidden",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}

logger = logging.getLogger("localaws.frontdoor")


class Door:
    """One listener port: ``port`` is where it listens, ``stands_for`` the listener's port in the load balancer."""

    def __init__(
        self,
        tracker: Tracker,
        session: aiohttp.ClientSession,
        *,
        stands_for: int,
        ports: dict[int, int],
    ) -> None:
        self.tracker = tracker
        self.session = session
        self.stands_for = stands_for
        self.ports = ports
        self._turn = itertools.count()
        self._outstanding: Counter[Target] = Counter()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        chosen = balancer.listener(request.headers.get("Host", ""), self.stands_for)
        if chosen is None:
            return _own(503)
        arn, length = chosen.balancer["LoadBalancerArn"], request.content_length or 0
        if bodies.blocks(chosen.account, chosen.region, arn, length):
            return _own(403)
        path, _, query = request.raw_path.partition("?")
        low = {name.lower(): value for name, value in request.headers.items()}
        parsed = parse_qs(query, keep_blank_values=True)
        actions = balancer.actions(chosen, request.method, path, low, parsed)
        forward = next((action for action in actions if action.get("Type") == "forward"), None)
        if forward is not None and len(actions) == 1:
            return await self._forward(request, chosen, str(forward.get("TargetGroupArn", "")))
        return await self._other(request, chosen, actions, low, parsed)

    async def _forward(
        self, request: web.BaseRequest, chosen: balancer.Listener, group: str
    ) -> web.StreamResponse:
        arn, headers = chosen.balancer["LoadBalancerArn"], self._headers(request, chosen)
        with_body = request.can_read_body
        target = self._choose(group)
        if target is None:
            return _counted(arn, group, 503)
        url = URL(f"http://{target.address}:{target.port}{request.raw_path}", encoded=True)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT, sock_read=chosen.idle_timeout
        )
        self._outstanding[target] += 1
        asked = time.monotonic()
        try:
            async with self.session.request(
                request.method,
                url,
                headers=headers,
                data=request.content if with_body else None,
                allow_redirects=False,
                timeout=timeout,
                skip_auto_headers=_NOT_COPIED,
            ) as answer:
                figures.note(arn, group, answer.status, time.monotonic() - asked)
                return await _relay(request, answer)
        except aiohttp.ServerTimeoutError:
            return _counted(arn, group, 504)
        except (aiohttp.ClientError, ConnectionError) as error:
            # No other target gets the request, not even where this one has refused the connection.
            logger.warning(
                "502 for %s %s from %s:%s: %r",
                request.method, request.path, target.address, target.port, error,
            )  # fmt: skip
            return _counted(arn, group, 502)
        finally:
            self._outstanding[target] -= 1
            if not self._outstanding[target]:
                del self._outstanding[target]

    def _choose(self, group: str) -> Target | None:
        """The target whose turn it is; None where no target is to get requests."""
        targets = self.tracker.routable(group)
        if not targets:
            return None
        start = next(self._turn) % len(targets)
        turned = targets[start:] + targets[:start]
        if balancer.algorithm(group) == "least_outstanding_requests":
            # The first of those that are equally busy.
            return min(turned, key=lambda target: self._outstanding[target])
        return turned[0]

    def _headers(self, request: web.BaseRequest, chosen: balancer.Listener) -> CIMultiDict[str]:
        """What the target gets: the client's headers, with those that the load balancer writes."""
        named = request.headers.get("Connection", "").lower().replace(" ", "").split(",")
        drop = _HOP_BY_HOP.union(named)
        headers = CIMultiDict(
            (name, value) for name, value in request.headers.items() if name.lower() not in drop
        )
        own = ("x-forwarded-for", "x-amzn-trace-id")
        sent = {name: ", ".join(headers.getall(name)) for name in own if name in headers}
        arn = chosen.balancer["LoadBalancerArn"]
        with responses.request_scope(chosen.account, chosen.region):
            written = alb._target_headers(arn, chosen.record, sent, request.remote or "127.0.0.1")
        # The port that the client used, which is this door's.
        written["x-forwarded-port"] = str(self.ports[self.stands_for])
        for name, value in written.items():
            # As the load balancer spells it, such as X-Forwarded-For.
            headers["-".join(map(str.capitalize, name.split("-")))] = value
        return headers

    async def _other(
        self,
        request: web.BaseRequest,
        chosen: balancer.Listener,
        actions: list[dict[str, object]],
        headers: dict[str, str],
        query: dict[str, list[str]],
    ) -> web.StreamResponse:
        """Redirects, fixed responses and authentication, which ministack carries out."""
        arn = chosen.balancer["LoadBalancerArn"]
        body = await request.read()
        path, _, raw_query = request.raw_path.partition("?")
        with responses.request_scope(chosen.account, chosen.region):
            sent = alb._target_headers(arn, chosen.record, headers, request.remote or "127.0.0.1")
            status, answer, content = await alb._execute_actions(
                actions, request.method, path, sent, body, query, self.stands_for,
                lb_arn=arn, raw_query_string=raw_query, raw_path=path,
            )  # fmt: skip
        given = {name: str(value) for name, value in answer.items()}
        if "Location" in given:
            given["Location"] = self._through_doors(given["Location"])
        return web.Response(status=status, headers={"Server": SERVER, **given}, body=content)

    def _through_doors(self, location: str) -> str:
        """A redirect's target with the listener's port exchanged for the door that stands for it."""
        url = URL(location, encoded=True)
        default = HTTPS_PORT if url.scheme == "https" else HTTP_PORT
        door = self.ports.get(url.port or default)
        return str(url.with_port(door)) if door else location


async def _relay(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Passes the target's answer on as it arrives."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in _HOP_BY_HOP:
            response.headers.add(name, value)
    try:
        await response.prepare(request)
        async for chunk in answer.content.iter_chunked(CHUNK):
            await response.write(chunk)
        await response.write_eof()
    except (aiohttp.ClientPayloadError, aiohttp.ServerTimeoutError) as error:
        # Part of the answer is out: cutting the connection is how the client learns that it is not whole.
        logger.warning("%s %s was cut by its target: %r", request.method, request.path, error)
        if request.transport:
            request.transport.abort()
    return response


def _own(status: int) -> web.Response:
    """An answer that the load balancer gives itself."""
    title = f"{status} {_REASONS[status]}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n"
        f"<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return web.Response(
        status=status, text=page, content_type="text/html", headers={"Server": SERVER}
    )


def _counted(arn: str, group: str, status: int) -> web.Response:
    figures.note(arn, group, status, None)
    return _own(status)


async def serve(
    tracker: Tracker, ports: dict[int, int], tls: ssl.SSLContext, ready: Callable[[], None]
) -> None:
    """Serves listeners on loopback until cancelled, ``ports`` by listener port; calls ``ready`` once all listen."""
    # Kept longer than any load balancer's idle timeout, on which each request's own timeout decides.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=DEFAULT_KEEPALIVE)
    session = aiohttp.ClientSession(
        connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )
    # The load balancer does not send a request twice, so neither does this: a target that closes idle
    # connections too early shows as 502, as it would on AWS.
    session._retry_connection = False
    runners = []
    try:
        for stands_for, port in ports.items():
            door = Door(tracker, session, stands_for=stands_for, ports=ports)
            runner = web.ServerRunner(
                web.Server(door.handle, access_log=None, keepalive_timeout=60)
            )
            await runner.setup()
            runners.append(runner)
            context = tls if stands_for == HTTPS_PORT else None
            await web.TCPSite(runner, LOOPBACK, port, backlog=1024, ssl_context=context).start()
        ready()
        await asyncio.Event().wait()
    finally:
        for runner in runners:
            await runner.cleanup()
        await session.close()
