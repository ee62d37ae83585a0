"""Judges a canary's pods in a Job of its analysis, in the application's image: no module but Python's own.

Usage: canary_analysis.py SETTINGS SERVICE SECONDS, the first a JSON object. Exit code 0: within the limits; the last
line has the figures.
The limits are those of AWS's deployment alarms: percent of 5xx, and seconds that nine of ten requests take at most.
Two opening braces in a row would be Argo Rollouts' own; a test finds them.
"""

import http.client
import json
import math
import os
import re
import socket
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

#: Requests a second to each pod, and how many say something by themselves.
RATE, ENOUGH = 4, 20
#: Seconds between two looks at the figures. Two in a row that are too bad end it: the first requests of a pod are slow.
LOOK = 4
#: Seconds until DNS has a new pod's address: it keeps an answer for up to 30.
PATIENCE = 45
TIMEOUT = 10
#: prometheus-client's and prometheus-flask-exporter's names.
COUNT = re.compile(r"\w*http_requests?_total")
SECONDS = re.compile(r"\w*http_request_duration_seconds_bucket")
SAMPLE = re.compile(r"(\w+)\{(.*)\} (\S+)(?: \d+)?")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Figures(NamedTuple):
    """Requests, those of them with 5xx, and the seconds that nine of ten take at most."""

    requests: float
    errors: float
    seconds: float

    def __str__(self) -> str:
        share = 100 * self.errors / self.requests if self.requests else 0.0
        return f"{share:.1f} percent of {self.requests:.0f} requests with 5xx, nine of ten within {self.seconds:.2f} s"

    def excess(self, settings: dict[str, Any], least: float) -> str:
        """Which limits are exceeded; empty where none is, or there are too few requests to tell."""
        if self.requests < least:
            return ""
        too_many = 100 * self.errors > settings["errors_percent"] * self.requests
        reasons = [f"more than {settings['errors_percent']} percent errors"] if too_many else []
        if self.seconds > settings["latency_seconds"]:
            reasons.append(f"slower than {settings['latency_seconds']} s")
        return " and ".join(reasons)


def asked(answers: list[tuple[int, float]]) -> Figures:
    """The figures of answers, each a status (0: none) and seconds."""
    errors = sum(status == 0 or status >= 500 for status, _ in answers)  # noqa: PLR2004 - HTTP's
    times = sorted(seconds for _, seconds in answers)
    return Figures(len(answers), errors, times[math.ceil(0.9 * len(times)) - 1] if times else 0.0)


def counted(texts: list[str], quiet: list[str]) -> Figures:
    """The figures in pods' metrics (Prometheus' text format), without the routes ``quiet``.

    Nine of ten requests as Prometheus' ``histogram_quantile`` has it: in proportion within a bucket, and the last bound
    where they are beyond it.
    """
    requests = errors = 0.0
    buckets: dict[float, float] = {}
    for line in "\n".join(texts).splitlines():
        sample = SAMPLE.fullmatch(line)
        labels: dict[str, str] = dict(LABEL.findall(sample[2])) if sample else {}
        if sample is None or not set(quiet).isdisjoint(labels.values()):
            continue
        if COUNT.fullmatch(sample[1]):
            requests += float(sample[3])
            if (labels.get("status") or labels.get("code", "")).startswith("5"):
                errors += float(sample[3])
        elif SECONDS.fullmatch(sample[1]):
            bound = float(labels["le"])
            buckets[bound] = buckets.get(bound, 0) + float(sample[3])
    return Figures(requests, errors, quantile(sorted(buckets.items())))


def quantile(buckets: list[tuple[float, float]], share: float = 0.9) -> float:
    """The seconds of that share of requests, by cumulative buckets of bound and count."""
    rank = share * (buckets[-1][1] if buckets else 0)
    below, before = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank > 0:
            inside = (rank - before) / (count - before) if count > before else 1.0
            return below if math.isinf(bound) else below + (bound - below) * inside
        below, before = bound, count
    return 0.0


def addresses(settings: dict[str, Any]) -> list[str]:
    """The addresses of the canary's ready pods, which its Service without an address of its own has."""
    try:
        found = socket.getaddrinfo(settings["service"], settings["port"], type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    return sorted({str(each[4][0]) for each in found})


def ask(settings: dict[str, Any], address: str, path: str) -> tuple[int, float, str]:
    """Status (0 for none), seconds and body of one request to a pod."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(address, settings["port"], timeout=TIMEOUT)
    headers = {"Host": settings["service"]}
    if path == settings["metrics"]:
        headers["Authorization"] = f"Bearer {os.environ.get('METRICS_TOKEN', '')}"
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, time.monotonic() - began, repr(error)
    finally:
        connection.close()
    return response.status, time.monotonic() - began, body


def look(
    settings: dict[str, Any], pods: list[str], own: list[tuple[int, float]]
) -> tuple[str, str]:
    """What is wrong with the canary by now, empty where nothing is, and the figures."""
    if not pods:
        return "none of its pods is ready", ""
    figures = asked(own)
    excess, shown = figures.excess(settings, ENOUGH), f"asked here: {figures}"
    if settings["metrics"]:
        texts = []
        for pod in pods:
            status, _, body = ask(settings, pod, settings["metrics"])
            if status != http.client.OK:
                return f"a pod answers {status} to GET {settings['metrics']}", shown
            texts.append(body)
        all_requests = counted(texts, settings["quiet"])
        excess = all_requests.excess(settings, max(settings["requests"], 1)) or excess
        shown = f"by the pods' metrics: {all_requests}; {shown}"
    return excess, shown


def judge(settings: dict[str, Any]) -> str:
    """Why the canary is refused, after so many seconds of requests; empty where it is not. Prints the figures."""
    answers: list[Future[tuple[int, float, str]]] = []
    began = time.monotonic()
    ends, next_look = began + PATIENCE, began + LOOK
    seen, bad, turn, reason, shown = False, 0, 0, "", ""
    with ThreadPoolExecutor(32) as pool:
        while time.monotonic() < ends:
            pods = addresses(settings)
            if pods and not seen:
                seen, ends = True, time.monotonic() + settings["seconds"]
            for pod in pods:
                path = settings["paths"][turn % len(settings["paths"])]
                answers.append(pool.submit(ask, settings, pod, path))
            turn += 1
            if seen and time.monotonic() >= next_look:
                own = [each.result()[:2] for each in answers if each.done()]
                reason, shown = look(settings, pods, own)
                bad, next_look = bad + 1 if reason else 0, time.monotonic() + LOOK
                print(reason or "within the limits", shown, sep="; ", flush=True)
                if bad == 2:  # noqa: PLR2004 - see LOOK
                    pool.shutdown(wait=False, cancel_futures=True)
                    return f"{reason}; {shown}"
            time.sleep(1 / RATE)
    if not seen:
        return f"none of its pods has an address after {PATIENCE} s"
    own = [each.result()[:2] for each in answers]
    reason, shown = look(settings, addresses(settings), own)
    if not reason and len(own) < ENOUGH:
        reason = f"only {len(own)} requests in {settings['seconds']} s"
    print(shown)
    return f"{reason}; {shown}" if reason else ""


if __name__ == "__main__":
    given = {"service": sys.argv[2], "seconds": int(sys.argv[3])}
    refused = judge(json.loads(sys.argv[1]) | given)
    print(f"canary refused: {refused}" if refused else "canary accepted", flush=True)
    sys.exit(1 if refused else 0)
