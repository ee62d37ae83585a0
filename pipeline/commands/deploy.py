"""Brings the work tree to a target: all its stages, side by side where they may be."""

from collections.abc import Callable
from threading import Event

from pipeline import targets
from pipeline.commands import Result, build, plan, push, scan, test
from pipeline.core import graph
from pipeline.core.errors import PipelineError
from pipeline.core.graph import Step
from pipeline.core.locks import exclusive
from pipeline.core.waiting import wait
from pipeline.releases import environments
from pipeline.targets import Target, ecs

#: The longest that the account takes until its registry is there.
REGISTRY_SECONDS = 600


def run(to: str, *, redo: bool = False) -> Result:
    """Runs the stages of a target; the headline ends with the URL that answers."""
    target = targets.find(to)
    with exclusive("deploy"):
        outcomes = graph.run(steps(target, redo=redo), title=f"deploy to {to}")
    return Result(f"\nThe application answers at {outcomes[-1].result}")


def steps(target: Target, *, redo: bool = False) -> list[Step]:
    """The stages of a target as steps of a graph; each returns its headline."""
    name = environments.LOCAL_ENVIRONMENT
    account_is_over = Event()

    def account() -> str:
        try:
            return (ecs.prepare if redo else ecs.prepared)(environments.load(name))
        finally:
            account_is_over.set()

    stages: dict[str, Callable[[], str]] = {
        "test": lambda: test.once(target.STAGES, again=redo),
        "account": account,
        "registry": lambda: await_registry(account_is_over),
        **dict.fromkeys(("cluster", "engine"), lambda: target.prepare(environments.load(name))),
        "build": lambda: build.run().headline,
        "scan": lambda: scan.run().headline,
        "push": lambda: push.run(name).headline,
        "plan": lambda: plan.run(name).headline,
        **dict.fromkeys(
            ("apply", "sync", "start"), lambda: target.deliver(environments.load(name))
        ),
        "verify": lambda: target.verify(environments.load(name))[0],
    }
    return [Step(stage, stages[stage], needs) for stage, needs in target.STAGES.items()]


def await_registry(account_is_over: Event) -> str:
    """Waits until images can be pushed; raises PipelineError when the account was not made."""
    name = environments.LOCAL_ENVIRONMENT
    wait(lambda: push.registry_is_there(name) or account_is_over.is_set(), timeout=REGISTRY_SECONDS)
    if not push.registry_is_there(name):
        raise PipelineError("the account has no image registry", next_step="run ./inv bootstrap")
    return "images can be pushed"
