"""Runs the tests: first those that need no engine, on all cores, then those that need one, in one session."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands import Result
from pipeline.core import apt, cache, console, files, markdown, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import REPORTS, VENV_BIN, log_file, shown
from pipeline.git import repository as git
from pipeline.images import catalogue
from pipeline.releases.project import project

FAST = "not engine and not browser and not e2e and not long"
#: Names under which systems install Chromium.
BROWSERS = ("chromium", "chromium-browser")
#: What the tests covered of app/; the threshold is in pyproject.toml.
COVERAGE = REPORTS / "coverage.json"
#: A part of the tests covers a part of the code: only the whole is held to the threshold.
MEASURED = ("--cov", "--cov-report=", f"--cov-report=json:{COVERAGE}")
#: Under these names a pass of all fast tests is remembered, and one of all but the chart's.
PASS, PASS_WITHOUT_CHART = "test-fast", "test-fast-without-chart"
#: pytest's exit code when no test was selected.
NO_TESTS = 5
#: pytest's last line, such as ``=== 7 passed, 1 skipped in 2.30s ===``.
FIGURES = re.compile(r"=+ (?P<figures>\d+ .* in [\d.]+s.*?) =+")
#: Columns of pytest's output: wide enough for a test's name and why it failed.
WIDTH = "200"
#: Longer than the longest test may take, which is the whole gauntlet: pytest has a limit for each.
SILENCE_SECONDS = 8000
#: Failures named in a summary; the rest is in the log.
SHOWN = 20


def run(*, fast: bool, everything: bool = False, select: Sequence[str] = ()) -> Result:
    """Runs the tests; the headline has the figures. A pass of the fast ones is remembered for this content."""
    if select:
        figures = {"fast": _pytest("fast", FAST, ["-n", "auto", *select])}
    else:
        # Of what was there before: an edit meanwhile has not been tested.
        key = git.content_key(git.files())
        figures = {"fast": _all_fast(FAST)}
        cache.record(PASS, key, figures["fast"])
    if not fast:
        _prepare()
        rest = f"not ({FAST})"
        marks = rest if everything else f"{rest} and not long"
        try:
            figures["engines"] = _pytest("engines", marks, select)
        except PipelineError as error:
            error.report = f"{report('fast', figures['fast'])}\n{error.report}"
            raise
        if not everything:
            console.warn("NOT RUN: tests marked long (./inv test --all)")
    figures = {name: text for name, text in figures.items() if text}
    if not figures:
        raise PipelineError("no test ran", next_step="check the paths given after --select")
    reports = "\n".join(report(name, text) for name, text in figures.items())
    return Result("; ".join(figures.values()), reports)


def once(*, chart: bool) -> str:
    """The figures of the fast tests (``chart``: those of the chart too), which run unless they have passed already."""
    key = git.content_key(git.files())
    if chart or cache.passed(PASS, key):
        return cache.once(PASS, key, lambda: _all_fast(FAST))
    return cache.once(PASS_WITHOUT_CHART, key, lambda: _all_fast(f"{FAST} and not chart"))


def forget() -> None:
    """Makes the next ``once`` run the tests."""
    for name in (PASS, PASS_WITHOUT_CHART):
        cache.forget(name)


def report(name: str, figures: str, failures: Sequence[str] = ()) -> str:
    """One session's part of the job's summary."""
    lines = [f"### Tests ({name})", "", markdown.inline(figures), ""]
    lines += [f"- {markdown.inline(failure)}" for failure in failures[:SHOWN]]
    if len(failures) > SHOWN:
        lines.append(f"- and {len(failures) - SHOWN} more")
    return "\n".join(lines) + "\n"


def _prepare() -> None:
    """Sets up what the engine tests stand on: Docker, the base images, a browser."""
    for name in ("python", "distroless", "postgres"):
        catalogue.provide(name)
    if not any(shutil.which(name) for name in BROWSERS):
        with console.progress("Chromium") as step:
            apt.install("chromium", on_line=step.update)


def _all_fast(marks: str) -> str:
    """Runs all fast tests of some marks and measures what they cover."""
    COVERAGE.unlink(missing_ok=True)
    measured = MEASURED if project().checked else ()
    figures = _pytest("fast", marks, ["-n", "auto", *measured])
    if not figures:
        raise PipelineError("no test ran", next_step="check the markers of the tests")
    if not measured:
        return figures
    totals = (files.read_json(COVERAGE, {"totals"}) or {})["totals"]
    return f"{figures}, {totals['percent_covered']:.1f} % of app/ covered"


def _pytest(name: str, marks: str, arguments: Sequence[str]) -> str:
    """Runs pytest and returns its figures; empty when no test was selected."""
    figures, failures = "", []

    def read(line: str) -> None:
        nonlocal figures
        console.info(line)
        if match := FIGURES.fullmatch(line):
            figures = match["figures"]
        if line.startswith(("FAILED ", "ERROR ")):
            failures.append(line)

    log = log_file(f"test-{name}")
    argv: list[str | Path] = [VENV_BIN / "python", "-m", "pytest", "-m", marks, *arguments]
    try:
        environ = {**os.environ, "COLUMNS": WIDTH}
        process.run(argv, log=log, env=environ, on_line=read, silence_seconds=SILENCE_SECONDS)
    except CommandFailedError as error:
        if error.code == NO_TESTS:
            return ""
        cause = figures or (error.tail[-1] if error.tail else "no output")
        raise PipelineError(
            f"{name} tests failed: {cause}",
            next_step=f"read the failures above, or {shown(log)}",
            log=log,
            report=report(name, cause, failures),
        ) from error
    return figures
