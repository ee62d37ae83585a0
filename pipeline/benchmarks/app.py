"""How fast the application is, beside a bare Flask view under the same settings of gunicorn in the same run.

The machine is shared with the load generator and the database, so only the ratios mean something. Runs are interleaved,
because what else the machine does changes from second to second; the median of each is taken.
"""

import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from rich.table import Table

from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT, VENV_BIN, log_file

CONNECTIONS = 32
SECONDS = 3
ROUNDS = 5
GATHERINGS = 40
GUESTS = 5
PAGE_GOAL, CLAIM_GOAL = 0.5, 0.25
START_SECONDS = 60
TOKEN = re.compile(r'name="csrf_token" value="(\w+)"')
DISH = re.compile(r'data-dish="(\d+)"')


@dataclass
class Series:
    """What one kind of request gave in each round: requests a second, and latencies in milliseconds."""

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rates)


def run(postgres_url: str | None = None) -> str:
    """Measures the guest page and a claim on SQLite and, when an address is given, on PostgreSQL.

    Args:
        postgres_url: An empty database that may be filled; ``BENCH_DATABASE_URL`` when None.

    Raises:
        PipelineError: wrk is missing, a server does not start, or a request was not answered as it should.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise PipelineError("wrk is missing", next_step="apt-get install wrk")
    postgres_url = postgres_url or os.environ.get("BENCH_DATABASE_URL")
    folder = Path(tempfile.mkdtemp(prefix="bench-app-"))
    databases = {"SQLite": f"sqlite:///{folder / 'bench.db'}"}
    if postgres_url:
        databases["PostgreSQL"] = postgres_url
    else:
        console.warn("PostgreSQL was not measured: name an empty database in BENCH_DATABASE_URL")
    table = Table("", "requests/s", "p50 ms", "p99 ms", "of bare Flask", "goal")
    missed = []
    try:
        for name, url in databases.items():
            with console.progress(f"measure on {name}"):
                results = _measure(wrk, url, folder)
            for kind, goal in (
                ("bare view", 1.0),
                ("guest page", PAGE_GOAL),
                ("claim", CLAIM_GOAL),
            ):
                series = results[kind]
                ratio = series.rate / results["bare view"].rate
                if ratio < goal:
                    missed.append(f"{kind} on {name}: {ratio:.2f} < {goal}")
                table.add_row(
                    f"{name}: {kind}",
                    f"{series.rate:.0f}",
                    f"{statistics.median(series.p50):.1f}",
                    f"{statistics.median(series.p99):.1f}",
                    f"{ratio:.2f}",
                    f"{goal:.2f}" if kind != "bare view" else "",
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.out.print(table)
    return "below its goal: " + "; ".join(missed) if missed else "all goals met"


def _measure(wrk: str, database: str, folder: Path) -> dict[str, Series]:
    results = {"bare view": Series(), "guest page": Series(), "claim": Series()}
    with ExitStack() as stack:
        bare = stack.enter_context(_gunicorn("bare:app", {}, "/"))
        app = stack.enter_context(_gunicorn("app:app", {"DATABASE_URL": database}, "/readyz"))
        page, cookie = _fill(app, folder / "claims.lua")
        plans: dict[str, list[str]] = {
            "bare view": [f"{bare}/"],
            "guest page": ["-H", f"Cookie: visitor={cookie}", f"{app}{page}"],
            "claim": ["-s", str(folder / "claims.lua"), app],
        }
        for _ in range(ROUNDS):
            for kind, arguments in plans.items():
                _round(wrk, arguments, results[kind])
        _check_claims(app)
    return results


def _round(wrk: str, arguments: list[str], series: Series) -> None:
    argv = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", *arguments]
    out = str(process.capture(argv))
    if "Non-2xx" in out or "Socket errors" in out:
        raise PipelineError(
            f"requests failed under load: {' '.join(out.split())[-300:]}",
            next_step="read .local/logs/bench-app.log",
        )
    series.rates.append(float(_find(r"Requests/sec:\s+([\d.]+)", out)[0]))
    for percent, into in (("50", series.p50), ("99", series.p99)):
        number, unit = _find(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", out)
        into.append(float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit])


def _find(pattern: str, text: str) -> tuple[str, ...]:
    found = re.search(pattern, text)
    if found is None:
        raise PipelineError(f"wrk did not say {pattern}", next_step="run wrk by hand")
    return found.groups()


@contextmanager
def _gunicorn(app: str, env: dict[str, str], ready: str) -> Iterator[str]:
    """The production command with the production configuration, on a free loopback port."""
    here = ROOT / "app"
    argv = [VENV_BIN / "gunicorn", "-c", here / "gunicorn.conf.py", "--bind", "127.0.0.1:0"]
    argv += ["--workers", "2", app]
    log = log_file("bench-app")
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as sink:
        server = subprocess.Popen(
            [str(part) for part in argv],
            cwd=here,
            env={
                **os.environ,
                "ENVIRONMENT": "bench",
                "SECRET_KEY": secrets.token_urlsafe(40),
                "PYTHONPATH": f"{here}:{ROOT / 'tests' / 'app'}",
                "AUTO_MIGRATE": "1",
                "WRITE_BURST": "0",
                "DRAIN_SECONDS": "0",
                **env,
            },
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _wait(server, log, start, ready)
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(30)


def _wait(server: "subprocess.Popen[bytes]", log: Path, start: int, ready: str) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with log.open("rb") as source:
            source.seek(start)
            found = re.search(rb"Listening at: (http://127\.0\.0\.1:\d+)", source.read())
        if found:
            url = found[1].decode()
            try:
                if httpx.get(f"{url}{ready}", timeout=5).status_code == 200:  # noqa: PLR2004 - HTTP
                    return url
            except httpx.HTTPError:
                pass
        time.sleep(0.05)
    raise PipelineError("gunicorn did not start", next_step="read its log", log=log)


def _fill(url: str, script: Path) -> tuple[str, str]:
    """Makes gatherings and guests, writes wrk's list of claims, and returns a page and a guest's cookie."""
    entries = []
    path = cookie = ""
    for _ in range(GATHERINGS):
        path = _gathering(url)
        for number in range(GUESTS):
            with httpx.Client(base_url=url, timeout=30, follow_redirects=True) as client:
                page = client.get(path).text
                token = _find(TOKEN.pattern, page)[0]
                answer = {"csrf_token": token, "name": f"Guest {number}", "attending": "yes"}
                client.post(f"{path}/rsvp", data=answer).raise_for_status()
                cookie = client.cookies["visitor"]
                dish = DISH.findall(page)[number]
                entries.append(f'{{"{path}/dishes/{dish}", "{cookie}", "csrf_token={token}"}}')
    # Everybody claims, then everybody gives back, and so on: the two of one guest are far apart.
    script.write_text(
        "local list = {" + ",\n".join(entries) + "}\nlocal at, verb = 0, '/claim'\n"
        "request = function()\n at = at + 1\n if at > #list then at = 1\n"
        " verb = (verb == '/claim') and '/release' or '/claim' end\n local one = list[at]\n"
        " return wrk.format('POST', one[1] .. verb, {['Cookie'] = 'visitor=' .. one[2],"
        " ['Content-Type'] = 'application/x-www-form-urlencoded'}, one[3])\nend\n",
        encoding="utf-8",
    )
    return path, cookie


def _gathering(url: str) -> str:
    with httpx.Client(base_url=url, timeout=30, follow_redirects=True) as client:
        page = client.get("/new").text
        form: dict[str, str | list[str]] = {
            "csrf_token": _find(TOKEN.pattern, page)[0],
            "title": "Bench",
            "date": "2030-11-28",
            "time": "15:00",
            "timezone": "UTC",
            "place": "Here",
            "dish_name": [f"Dish {number}" for number in range(10)],
            "dish_category": ["sides"] * 10,
            "dish_wanted": ["2"] * 10,
        }
        return urlsplit(_find(r'data-path="([^"]+)"', client.post("/new", data=form).text)[0]).path


def _check_claims(url: str) -> None:
    """The claims of the load really were claims, not polite refusals."""
    text = httpx.get(f"{url}/metrics").text
    counts = {
        name: float(n)
        for name, n in re.findall(r'claims_total{outcome="([a-z-]+)"} ([\d.e+]+)', text)
    }
    done = counts.get("claimed", 0) + counts.get("released", 0)
    if done < 0.9 * sum(counts.values()) or not done:
        raise PipelineError(f"the load did not claim: {counts}", next_step="mend the benchmark")
