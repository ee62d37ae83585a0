"""Prints where an environment answers, and opens it where there is a browser to see it in."""

import os
import sys
import webbrowser

from pipeline import targets
from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.releases import environments

#: What an X or Wayland session sets.
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def run(to: str, environment_name: str) -> Result:
    """Prints the URL; raises PipelineError where nothing runs, or what runs has no address outside its cluster."""
    target = targets.find(to)
    environment = environments.load(environment_name)
    if environments.waits_for_release(environment):
        return Result(environments.unreleased(environment_name))
    state = target.observe(environment)
    if state is None:
        raise PipelineError(
            f"{environment_name} does not run on {to}",
            next_step=f"run ./inv deploy --to {to}, or ./inv status for what runs",
        )
    if not state.url:
        raise PipelineError(
            f"{environment_name} has no address outside its {to}",
            next_step=f"run ./inv verify --to {to} --environment {environment_name}, which asks its replicas",
        )
    if not state.healthy:
        console.warn(f"{environment_name} is not healthy on {to}: ./inv events --to {to} says why")
    if console.LIVE and (sys.platform == "darwin" or any(map(os.environ.get, DISPLAYS))):
        webbrowser.open(state.url)
    return Result(f"{state.url} (as host {state.via.host})" if state.via else state.url)
