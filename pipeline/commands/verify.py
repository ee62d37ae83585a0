"""Checks that the URL answers with the digest that was deployed, from every replica."""

import os
from pathlib import Path

from pipeline import targets
from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import VENV_BIN, log_file
from pipeline.github import actions
from pipeline.releases import environments
from pipeline.releases.project import project


def run(
    environment_name: str, *, to: str = "ecs", digest: str | None = None, smoke: bool = False
) -> Result:
    """Checks an environment on one target; the headline is its URL."""
    target = targets.find(to)
    if smoke and not project().smoke:
        raise PipelineError(
            "project.yaml names no smoke test", next_step="add it (docs/reference/project.md)"
        )
    environment = environments.load(environment_name)
    if actions.running() and environments.waits_for_release(environment, digest):
        return Result(environments.unreleased(environment_name))
    url, via = target.verify(environment, digest)
    if smoke:
        way: list[str | Path] = ["--host", via.host] if via else []
        if via and via.authority:
            way += ["--ca", via.authority]
        with console.progress("smoke test") as step:
            process.run(
                [*project().smoke, *way, url],
                log=log_file("smoke"),
                env={**os.environ, "PATH": f"{VENV_BIN}{os.pathsep}{os.environ['PATH']}"},
                on_line=step.update,
                next_step="read the application's log",
            )
    return Result(url)
