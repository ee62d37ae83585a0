"""Runs the tests: first those that need no engine, by groups on all cores, then those that need one, in one session."""

import os
import re
import shutil
from collections.abc import Container, Sequence
from pathlib import Path

from pipeline.commands import Result
from pipeline.core import apt, cache, console, files, markdown, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import REPORTS, VENV_BIN, log_file, shown
from pipeline.git import groups
from pipeline.git.groups import Group
from pipeline.images import catalogue
from pipeline.releases.project import project

FAST = "not engine and not browser and not e2e and not long"
#: Names under which systems install Chromium.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Whoever is done first takes from the other.
PARALLEL = ("-n", "auto", "--dist", "worksteal")
#: What the tests covered of app/; the threshold is in pyproject.toml.
COVERAGE = REPORTS / "coverage.json"
#: A part of the application's tests covers a part of its code: only their whole is held to the threshold.
MEASURED = ("--cov", "--cov-report=", f"--cov-report=json:{COVERAGE}")
#: pytest's exit codes when tests failed, and when none was selected.
SOME_FAILED, NO_TESTS = 1, 5
#: pytest's last line, such as ``=== 7 passed, 1 skipped in 2.30s ===``.
FIGURES = re.compile(r"=+ (?P<figures>\d+ .* in [\d.]+s.*?) =+")
#: Columns of pytest's output: wide enough for a test's name and why it failed.
WIDTH = "200"
#: Longer than the longest test may take, which is the whole gauntlet: pytest has a limit for each.
SILENCE_SECONDS = 8000
#: Failures named in a summary; the rest is in the log.
SHOWN = 20


def run(
    *, fast: bool, everything: bool = False, changed: bool = False, select: Sequence[str] = ()
) -> Result:
    """Runs the tests; the headline has the figures.

    Each group of the fast ones is remembered once it has passed; with ``changed`` those are left out, and no engine is.
    """
    if select:
        figures = {"fast": _pytest("fast", FAST, [*PARALLEL, *select])}
    else:
        figures = {"fast": _fast(groups.load(), again=not changed, apart=True)}
    if not fast and not changed:
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


def once(stages: Container[str], *, again: bool = False) -> str:
    """The figures of the fast tests for a target with these stages; what has passed already runs only ``again``.

    Coverage is measured where it is judged, by ``run``: it takes more than half of the tests' time again.
    """
    chosen = [group for group in groups.load() if not group.stage or group.stage in stages]
    return _fast(chosen, again=again, apart=False)


def report(name: str, figures: str, failures: Sequence[str] = ()) -> str:
    """One session's part of the job's summary."""
    lines = [f"### Tests ({name}): {markdown.inline(figures)}", ""]
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


def _fast(chosen: Sequence[Group], *, again: bool, apart: bool, folder: Path = cache.FOLDER) -> str:
    """The figures of some groups, in sessions whose failures are raised as one.

    Args:
        again: Those that have passed run again.
        apart: Each in a session of its own, where tests/conftest.py sees what it opens and the coverage of app/ is
            measured; else all in one, which starts but once.
    """
    left, unchanged = [], []
    for group in chosen:
        judged = group.name == "app" and project().checked
        if not group.tests and not judged:
            continue  # what tests the sample application is not there once another has taken its place
        measured = apart and judged
        # What has passed under coverage has passed without.
        stages = [f"coverage-{group.name}"] + ([] if measured else [f"test-{group.name}"])
        # Of what was there before: an edit meanwhile has not been tested.
        key = group.key()
        if not again and any(cache.passed(stage, key, folder) for stage in stages):
            unchanged.append(group.name)
        else:
            left.append((group, stages[-1], key, measured))
    figures, errors = [], []
    for session in [[each] for each in left] if apart else filter(None, [left]):
        try:
            result = _session([group for group, *_ in session], measured=session[0][-1])
            figures.append(f"{', '.join(group.name for group, *_ in session)}: {result}")
            for _, stage, key, _ in session:
                cache.record(stage, key, figures[-1], folder)
        except PipelineError as error:
            errors.append(error)
            if getattr(error.__cause__, "code", SOME_FAILED) != SOME_FAILED:
                break  # interrupted: the next would be, too
    if errors:
        errors[0].cause = "; ".join(error.cause for error in errors)
        errors[0].report = "\n".join(error.report for error in errors)
        raise errors[0]
    if unchanged:
        figures.append(f"unchanged since they passed: {', '.join(unchanged)}")
    return "; ".join(figures)


def _session(chosen: Sequence[Group], *, measured: bool) -> str:
    """Runs the fast tests of groups; where it is ``measured``, they are held to what they cover of app/."""
    COVERAGE.unlink(missing_ok=True)
    name = chosen[0].name if len(chosen) == 1 else "fast"
    tests = [file for group in chosen for file in group.tests]
    arguments = [*PARALLEL, *(MEASURED if measured else ()), *tests]
    figures = _pytest(name, FAST, arguments) if tests else ""
    if not figures:
        names = ", ".join(group.name for group in chosen)
        raise PipelineError(f"no test of {names} ran", next_step=f"check {groups.TABLE}")
    if not measured:
        return figures
    totals = (files.read_json(COVERAGE, {"totals"}) or {})["totals"]
    return f"{figures}, {totals['percent_covered']:.1f} % of app/ covered"


def _pytest(name: str, marks: str, arguments: Sequence[str | Path]) -> str:
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
