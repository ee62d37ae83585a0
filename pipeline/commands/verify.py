"""Checks that the URL answers with the digest that was deployed, from every replica."""

import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pipeline import targets
from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import VENV_BIN, log_file
from pipeline.github import actions
from pipeline.releases import environments, history
from pipeline.releases.desired import set_note, verification
from pipeline.releases.environments import Environment
from pipeline.releases.project import project
from pipeline.targets import kubernetes, web

#: Variables that a smoke test does not get, by their beginnings.
OURS = ("AWS_", "ACTIONS_", "GITHUB_TOKEN", "RELEASE_", "KUBECONFIG")


def run(
    environment_name: str,
    *,
    to: str = "ecs",
    digest: str | None = None,
    smoke: bool = False,
    record: bool = False,
) -> Result:
    """Checks an environment on one target; the headline is its URL, and the output ``url`` the one that users have.

    The smoke test is run where the caller or the environment's file asks for it. With ``record`` every engine of it is
    asked; the release's commit then gets a note, which a promotion asks for.
    """
    targets.find(to)
    environment = environments.load(environment_name)
    smoke = smoke or environment.smoke
    if smoke and not project().smoke:
        raise PipelineError(
            "project.yaml names no smoke test",
            next_step="add it (docs/reference/project.md), or take smoke out of the environment's file",
        )
    if actions.running() and environments.waits_for_release(environment, digest):
        return Result(environments.unreleased(environment_name))
    if record:
        return _record(environment, digest, smoke=smoke)
    url, via = _verified(to, environment, digest, smoke=smoke)
    # What was asked at its load balancer has another name for users; the local AWS's balancers have none.
    users = urlsplit(url)._replace(netloc=via.host).geturl() if via and not via.authority else url
    return Result(url, outputs={"url": users})


def _verified(to: str, environment: Environment, digest: str | None, *, smoke: bool) -> web.Reached:
    """Where a target answers as it should, by the smoke test, too, if that is wanted."""
    url, via = targets.find(to).verify(environment, digest)
    if smoke:
        way: list[str | Path] = ["--host", via.host] if via else []
        if via and via.authority:
            way += ["--ca", via.authority]
        # It is a program of the application's: what the task signs in with is not for it.
        environ = {key: text for key, text in os.environ.items() if not key.startswith(OURS)}
        with console.progress("smoke test") as step:
            process.run(
                [*project().smoke, *way, url],
                log=log_file("smoke"),
                env={**environ, "PATH": f"{VENV_BIN}{os.pathsep}{os.environ['PATH']}"},
                on_line=step.update,
                next_step="read the application's log",
            )
    return url, via


def _record(environment: Environment, digest: str | None, *, smoke: bool) -> Result:
    desired = kubernetes.desired(environment)
    release = history.history(desired.tip(), environment.name, root=desired.root)[0]
    wanted = digest or release.digest
    if wanted is None or wanted != release.digest:
        raise PipelineError(
            f"Git names {release.digest or 'no image'} for {environment.name}, not {wanted or 'one'}",
            next_step="verify what Git names: leave --digest out",
        )
    engines = [name for name in targets.DEPLOYED if _runs_on(name, environment)]
    for name in engines:
        _verified(name, environment, wanted, smoke=smoke)
    if not engines:
        raise PipelineError(f"{environment.name} runs nowhere", next_step="deploy it first")
    note = verification(engines, datetime.now(UTC))
    # The first time on these engines counts: a release goes on soaking while it is verified again.
    same = release.engines == ", ".join(engines)
    set_note(desired, release.commit, lambda before: before if same else note)
    return Result(f"{environment.name} is verified on {', '.join(engines)}")


def _runs_on(engine: str, environment: Environment) -> bool:
    """Whether an environment has to answer there: in a workflow by the variables, else where it is up."""
    if actions.running():
        return engine == "ecs" or os.environ.get("KUBERNETES_ENABLED") == "true"
    return targets.find(engine).observe(environment) is not None
