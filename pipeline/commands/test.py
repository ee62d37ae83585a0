"""The test stage: pytest over tests/, first what needs no engine, on all cores, then what needs one, in one session."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from offline import engine as docker_install
from pipeline.core import cache as passes
from pipeline.core import console, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import REPORTS, VENV_BIN, log_file, shown
from pipeline.git import repository as git
from pipeline.github import actions as github
from pipeline.github import reports
from pipeline.github import test_results as testresults
from pipeline.github.test_results import Results
from pipeline.images import bases as baseimages
from pipeline.images import docker

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


def run(*, fast: bool, everything: bool = False, select: Sequence[str] = ()) -> str:
    """Runs the tests and returns the figures. A pass of the fast ones is remembered for this content.

    Args:
        fast: Leave out what needs Docker, the local AWS, Kubernetes or a browser.
        everything: Also those that take minutes each.
        select: Paths or further pytest arguments; all of tests/ when empty.

    Raises:
        PipelineError: A test failed, none ran, or less of the application is covered than pyproject.toml asks for.
    """
    if select:
        found = [_pytest("fast", FAST, ["-n", "auto", *select])]
    else:
        # Of what was there before: an edit meanwhile has not been tested.
        key = _key()
        whole = _whole(FAST)
        passes.record(PASS, key, whole.in_words())
        found = [whole]
    if not fast:
        _prepare()
        rest = f"not ({FAST})"
        marks = rest if everything else f"{rest} and not long"
        found.append(_pytest("engines", marks, [*select]))
        if not everything:
            console.warn("NOT RUN: tests marked long (./inv test --all)")
    if not any(found):
        raise PipelineError("no test ran", next_step="check the paths given after --select")
    return "; ".join(one.in_words() for one in found if one)


def once(*, chart: bool) -> str:
    """Runs the fast tests unless they have passed for this content; returns the figures.

    Args:
        chart: Those of the chart as well, which need helm and kustomize.

    Raises:
        PipelineError: As ``run``.
    """
    key = _key()
    if chart or passes.holds(PASS, key):
        return passes.once(PASS, key, lambda: _whole(FAST).in_words())
    return passes.once(PASS_WITHOUT_CHART, key, lambda: _whole(f"{FAST} and not chart").in_words())


def forget() -> None:
    """Makes the next ``once`` run the tests."""
    for name in (PASS, PASS_WITHOUT_CHART):
        passes.forget(name)


def _key() -> str:
    return git.content_key(git.files())


def _prepare() -> None:
    """Sets up what the engine tests stand on: Docker, the base images, a browser."""
    docker.ensure_engine()
    for name in ("python", "postgres"):
        baseimages.resolve_base(name)
    if not any(shutil.which(name) for name in BROWSERS):
        with console.progress("Chromium") as step:
            docker_install.packages(["chromium"], on_line=step.update)


def _whole(marks: str) -> Results:
    """Runs all fast tests of some marks and measures what they cover."""
    COVERAGE.unlink(missing_ok=True)
    found = _pytest("fast", marks, ["-n", "auto", *MEASURED], coverage=COVERAGE)
    if found is None:
        raise PipelineError("no test ran", next_step="check the markers of the tests")
    return found


def _pytest(
    name: str, marks: str, arguments: Sequence[str], *, coverage: Path | None = None
) -> Results | None:
    """Runs pytest and tells what it found; None when no test was selected."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    log, junit = log_file(f"test-{name}"), REPORTS / f"junit-{name}.xml"
    junit.unlink(missing_ok=True)
    argv: list[str | Path] = [VENV_BIN / "python", "-m", "pytest", "-m", marks]
    failed: CommandFailedError | None = None
    try:
        process.run([*argv, f"--junitxml={junit}", *arguments], log=log, on_line=console.info)
    except CommandFailedError as error:
        if error.code == NO_TESTS:
            return None
        failed = error
    results = testresults.read(junit, coverage) if junit.is_file() else None
    if results:
        reports.write(f"test-{name}", results.as_markdown(f"Tests ({name})"))
        for one in results.failures:
            github.annotate("error", one.message, title=one.name, file=one.file, line=one.line)
    if failed:
        last = failed.tail[-1].strip("= ") if failed.tail else "no output"
        raise PipelineError(
            f"the {name} tests are red: {last}",
            next_step=f"read the failures above, or {shown(log)}",
            log=log,
        ) from failed
    return results
