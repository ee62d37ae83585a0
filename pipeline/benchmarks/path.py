"""Times the delivery path on this machine, for each target that is up: a deploy of nothing new, and an edit until live.

An edit is a comment in the application's base template; the file and what runs are as before in the end.
"""

import contextlib
import time
from functools import partial

import httpx

from pipeline import targets
from pipeline.benchmarks import seconds, show
from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.core.waiting import wait
from pipeline.releases import environments
from pipeline.targets import web
from pipeline.targets.state import State

ROUNDS = 3
#: Seconds within which an edit must show where code is reloaded without a deploy.
RELOAD_SECONDS = 30


def run() -> str:
    """Prints the medians in seconds; raises PipelineError when no target is up, or a deploy failed."""
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    targets_up = ((name, target.observe(local)) for name, target in targets.TARGETS.items())
    states = {name: state for name, state in targets_up if state}
    if not states:
        raise PipelineError("no target is up", next_step="run ./inv deploy first")
    template = min((ROOT / "app").rglob("templates/*.html"), default=None)
    if template is None:
        raise PipelineError(
            "app/ has no template to edit", next_step="add a page, or measure by hand"
        )
    before = template.read_text(encoding="utf-8")
    series: dict[str, list[float]] = {}
    for name, state in states.items():
        edited = series.setdefault(f"{name}: edit of a template until live", [])
        unchanged = series.setdefault(f"{name}: nothing changed", [])
        deploy = partial(_deploy, name)
        with console.progress(f"path to {name}") as step:
            try:
                for number in range(ROUNDS):
                    step.update(f"round {number + 1} of {ROUNDS}")
                    comment = f"<!-- bench path {time.time_ns()} -->"
                    template.write_text(f"{before.rstrip()}\n{comment}\n", encoding="utf-8")
                    edited.append(seconds(partial(_until_live, name, state, comment)))
                    deploy()  # builds what was only reloaded
                    unchanged.append(seconds(deploy))
            finally:
                template.write_text(before, encoding="utf-8")
        deploy()
    show(series)
    return f"{', '.join(states)}: {ROUNDS} rounds each"


def _until_live(name: str, state: State, comment: str) -> None:
    if "push" in targets.TARGETS[name].STAGES:  # else the code is reloaded
        _deploy(name)

    def shown() -> bool:
        with contextlib.suppress(httpx.HTTPError):  # a worker is being replaced
            return comment in web.get(state.url, "", state.via).text
        return False

    if not wait(shown, timeout=RELOAD_SECONDS):
        raise PipelineError(f"the edit does not show at {state.url}", next_step="run ./inv status")


def _deploy(name: str) -> None:
    process.run([ROOT / "inv", "deploy", "--to", name], log=log_file("bench-path"))
