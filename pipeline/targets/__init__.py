"""Where the application runs: ECS, Kubernetes and Compose, behind one protocol and in one registry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pipeline.core.errors import require_choice
from pipeline.releases.environments import Environment
from pipeline.targets import (
    compose,
    compose_operations,
    ecs,
    ecs_operations,
    kubernetes,
    kubernetes_operations,
)
from pipeline.targets.logs import Event, Line
from pipeline.targets.state import State
from pipeline.targets.web import Reached


class Target(Protocol):
    """A module of this package. All raise PipelineError where they cannot do their job."""

    @property
    def STAGES(self) -> Mapping[str, Sequence[str]]:  # noqa: N802 - a constant of the module
        """The stages of ``./inv deploy`` in order, each with those that it needs."""

    def prepare(self, environment: Environment) -> str:
        """Makes what the target stands on, where it is missing; returns it in words."""

    def deliver(self, environment: Environment) -> str:
        """Brings the environment there and waits until it runs; returns the outcome in words."""

    def observe(self, environment: Environment) -> State | None:
        """What runs now, or None when nothing does. Starts nothing."""

    def verify(self, environment: Environment, digest: str | None = None) -> Reached:
        """Asks until every replica has answered with ``digest`` (default: the wanted one); returns where."""


class Operations(Protocol):
    """A module of this package, of a target's name: what is done with replicas that run. Starts none.

    All raise PipelineError where the environment does not run there.
    """

    def lines(self, environment: Environment, since: datetime) -> Iterator[Line]:
        """The lines of all replicas since a time, unsorted."""

    def replicas(self, environment: Environment) -> list[str]:
        """The names of the replicas that run; at least one."""

    def execute(
        self,
        environment: Environment,
        replica: str,
        command: Sequence[str],
        on_line: Callable[[str], None],
        /,
    ) -> int:
        """Runs a command in a replica, its output going to ``on_line``; returns its exit code."""

    def events(self, environment: Environment, since: datetime, /) -> Iterator[Event]:
        """What the engine says happened since a time, unsorted; none where it knows of nothing."""


TARGETS: Mapping[str, Target] = {"ecs": ecs, "kubernetes": kubernetes, "compose": compose}
OPERATIONS: Mapping[str, Operations] = {
    "ecs": ecs_operations,
    "kubernetes": kubernetes_operations,
    "compose": compose_operations,
}
#: Those that a deployed environment can run on.
DEPLOYED = ("ecs", "kubernetes")


def find(name: str) -> Target:
    """The target of that name; raises PipelineError naming those that there are."""
    require_choice("target", name, TARGETS)
    return TARGETS[name]


def operations(name: str) -> Operations:
    """What is done with the replicas of the target of that name; raises PipelineError as ``find``."""
    find(name)
    return OPERATIONS[name]
