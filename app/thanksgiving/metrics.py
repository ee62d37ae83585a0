"""Prometheus metrics. With several gunicorn workers they are added up through PROMETHEUS_MULTIPROC_DIR.

Routes are labelled by their pattern, never by their path: paths hold secret links.
"""

import os
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

REQUESTS = Counter("http_requests_total", "Requests answered", ["route", "method", "status"])
LATENCY = Histogram("http_request_duration_seconds", "Time to answer", ["route"], buckets=BUCKETS)
DATABASE = Histogram(
    "database_duration_seconds",
    "Time in the database, with its connection",
    ["kind"],
    buckets=BUCKETS,
)
GATHERINGS = Counter("thanksgiving_gatherings_created_total", "Gatherings created")
RSVPS = Counter("thanksgiving_rsvps_total", "Answers given or changed", ["attending"])
CLAIMS = Counter("thanksgiving_claims_total", "Attempts to claim a dish", ["outcome"])
THANKS = Counter("thanksgiving_gratitude_posts_total", "Posts on gratitude walls")
LIMITED = Counter("thanksgiving_rate_limited_total", "Writes refused by the rate limit")


@cache
def database_seconds(kind: str) -> Histogram:
    """The database histogram of ``read`` or ``write``; looked up once."""
    return DATABASE.labels(kind)


@cache
def request_seconds(route: str) -> Histogram:
    """The latency histogram of a route; looked up once."""
    return LATENCY.labels(route)


@cache
def requests(route: str, method: str, status: int) -> Counter:
    """The request counter of one combination; looked up once."""
    return REQUESTS.labels(route, method, status)


@cache
def claims(outcome: str) -> Counter:
    """The counter of one outcome of a claim; looked up once."""
    return CLAIMS.labels(outcome)


def exposition() -> bytes:
    """All metrics of all workers in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
