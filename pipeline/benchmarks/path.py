"""Times the delivery path on this machine, for each target that is up: edits until they are live, one of them by hand
as well, nothing new, and the way back.

Every edit is undone in the end, in its file and in what runs.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from re import sub

import httpx

from pipeline import targets
from pipeline.argocd import git_server
from pipeline.benchmarks import by_hand, seconds, show
from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.core.waiting import wait
from pipeline.releases import environments
from pipeline.targets import web
from pipeline.targets.state import State

ROUNDS = 3
#: Seconds within which an edited template must show once it is delivered, or saved where code is reloaded.
RELOAD_SECONDS = 30
SETTINGS = f"environments/{environments.LOCAL_ENVIRONMENT}.yaml"


@dataclass(frozen=True)
class Edit:
    """A change of the first file that ``files`` names: what matches ``pattern`` becomes ``text``.

    ``{}`` in it is a value of its own for each round, one of ``values`` where not every value is allowed. ``target``
    is the only one that the edit reaches; empty is all that take a deploy.
    """

    files: str
    text: str
    pattern: str = r"\Z"
    values: Sequence[int] = ()
    target: str = ""


TEMPLATE, PYTHON = "a template", "Python"
EDITS = {
    TEMPLATE: Edit("app/**/templates/*.html", "<!-- bench path {} -->\n"),
    PYTHON: Edit("app/**/*.py", "# bench path {}\n"),
    "the packages' lock": Edit("app/requirements.txt", "# bench path {}\n"),
    "a setting for Terraform": Edit(
        SETTINGS, "log_retention_days: {}", r"log_retention_days: \d+", (14, 30, 60), "ecs"
    ),
    "a setting for the chart": Edit(
        SETTINGS, 'podAnnotations: {{bench-path: "{}"}}\n', target="kubernetes"
    ),
}


def run() -> str:
    """Prints the medians in seconds; raises PipelineError when no target is up, or a deploy failed."""
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    targets_up = ((name, target.observe(local)) for name, target in targets.TARGETS.items())
    states = {name: state for name, state in targets_up if state}
    if not states:
        raise PipelineError("no target is up", next_step="run ./inv deploy first")
    series: dict[str, list[float]] = {}
    try:
        _measure(states, series)
    finally:
        # Half an hour's figures are not lost where the last delivery fails.
        if series:
            show("path", series)
    return f"{', '.join(states)}: {ROUNDS} rounds each"


def _measure(states: Mapping[str, State], series: dict[str, list[float]]) -> None:
    for name, state in states.items():
        edited = partial(_edited, name, state)
        for kind, file in _editable(name).items():
            series[f"{name}: {kind}"] = edited(kind, file, _deliver)
            if kind == PYTHON:
                with by_hand.undisturbed(name):
                    series[f"{name}: {kind}, by hand"] = edited(kind, file, by_hand.deliver)
        _deploy(name)  # the files are as before again
        series[f"{name}: nothing changed"] = [
            seconds(partial(_deploy, name)) for _ in range(ROUNDS)
        ]
    if git_server.head():
        # Each edit above was a release on Kubernetes, and can be gone back from.
        series["rollback, of every target"] = [seconds(_rollback) for _ in range(ROUNDS)]
        for name in filter(_delivers, states):
            _deploy(name)


def _editable(target: str) -> dict[str, Path]:
    """The kinds of edits that reach a target, with the file of each; an application may have no template."""
    # Where code is reloaded nothing else can be seen.
    kinds = EDITS if _delivers(target) else {TEMPLATE: EDITS[TEMPLATE]}
    chosen = {kind: edit for kind, edit in kinds.items() if edit.target in ("", target)}
    found = {kind: min(ROOT.glob(edit.files), default=None) for kind, edit in chosen.items()}
    return {kind: file for kind, file in found.items() if file}


def _edited(
    name: str, state: State, kind: str, file: Path, deliver: Callable[[str], None]
) -> list[float]:
    """The seconds of each round until an edit was live; the file is as before in the end."""
    edit, before = EDITS[kind], file.read_text(encoding="utf-8")
    taken = []
    with console.progress(f"{name}: {kind}") as step:
        try:
            for number in range(ROUNDS):
                step.update(f"round {number + 1} of {ROUNDS}")
                value = edit.values[number % len(edit.values)] if edit.values else time.time_ns()
                text = edit.text.format(value)
                file.write_text(sub(edit.pattern, text, before, count=1), encoding="utf-8")
                sign = text.strip() if kind == TEMPLATE else ""
                taken.append(seconds(partial(_until_live, partial(deliver, name), state, sign)))
        finally:
            file.write_text(before, encoding="utf-8")
    return taken


def _until_live(deliver: Callable[[], None], state: State, sign: str) -> None:
    """A delivery ends when the new version runs alone; ``sign`` must be on the page besides."""
    deliver()

    def shown() -> bool:
        with contextlib.suppress(httpx.HTTPError):  # a worker is being replaced
            return sign in web.get(state.url, "", state.via).text
        return False

    if not wait(shown, timeout=RELOAD_SECONDS):
        raise PipelineError(f"the edit does not show at {state.url}", next_step="run ./inv status")


def _delivers(name: str) -> bool:
    """Whether an edit needs a deploy; else the code is reloaded."""
    return "push" in targets.TARGETS[name].STAGES


def _deliver(name: str) -> None:
    if _delivers(name):
        _deploy(name)


def _rollback() -> None:
    process.run(
        [ROOT / "inv", "rollback", environments.LOCAL_ENVIRONMENT], log=log_file("bench-path")
    )


def _deploy(name: str) -> None:
    process.run([ROOT / "inv", "deploy", "--to", name], log=log_file("bench-path"))
