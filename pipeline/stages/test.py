"""The test stage: pytest over tests/, first what needs no engine, on all cores, then what needs one, in one session."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline import console, process
from pipeline.engines import baseimages, docker, docker_install
from pipeline.errors import CommandFailedError, PipelineError
from pipeline.paths import REPORTS, VENV_BIN, log_file, shown

FAST = "not engine and not browser and not e2e"
#: Names under which systems install Chromium.
BROWSERS = ("chromium", "chromium-browser")
#: pytest's exit code when no test was selected.
NO_TESTS = 5


def run(*, fast: bool, select: Sequence[str] = (), without: Sequence[str] = ()) -> str:
    """Runs the tests.

    Args:
        fast: Leave out what needs Docker, the local AWS, Kubernetes or a browser.
        without: Further markers (pyproject.toml lists them) of what to leave out.
        select: Paths or further pytest arguments; all of tests/ when empty.

    Raises:
        PipelineError: A test failed, or none ran.
    """
    marks = " and not ".join([FAST, "unproven", *without])
    passed = _pytest("fast", marks, ["-n", "auto", *select])
    if not fast:
        _prepare()
        passed += _pytest("engines", f"not ({FAST}) and not unproven", [*select])
        console.warn("NOT RUN: tests marked unproven (run them with pytest -m unproven)")
    if passed == 0:
        raise PipelineError("no test ran", next_step="check the paths given after --select")
    return "fast tests passed" if fast else "all tests passed"


def _prepare() -> None:
    """Sets up what the engine tests stand on: Docker, the base images, a browser."""
    docker.ensure_engine()
    for name in ("python", "postgres"):
        baseimages.resolve_base(name)
    if not any(shutil.which(name) for name in BROWSERS):
        with console.progress("Chromium") as step:
            docker_install.packages(["chromium"], on_line=step.update)


def _pytest(name: str, marks: str, arguments: Sequence[str]) -> int:
    REPORTS.mkdir(parents=True, exist_ok=True)
    log = log_file(f"test-{name}")
    argv: list[str | Path] = [
        VENV_BIN / "python",
        "-m",
        "pytest",
        "-m",
        marks,
        f"--junitxml={REPORTS / f'junit-{name}.xml'}",
        *arguments,
    ]
    try:
        process.run(argv, log=log, on_line=console.info)
    except CommandFailedError as error:
        if error.code == NO_TESTS:
            return 0
        raise PipelineError(
            f"the {name} tests are red: {error.tail[-1].strip('= ') if error.tail else 'no output'}",
            next_step=f"read the failures above, or {shown(log)}",
            log=log,
        ) from error
    return 1
