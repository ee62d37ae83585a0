"""Where the application runs: ECS, Kubernetes and Compose, behind one protocol and in one registry."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.core.errors import require_choice
from pipeline.releases.environments import Environment
from pipeline.targets import compose, ecs, kubernetes
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


TARGETS: Mapping[str, Target] = {"ecs": ecs, "kubernetes": kubernetes, "compose": compose}
#: Those that a deployed environment can run on.
DEPLOYED = ("ecs", "kubernetes")


def find(name: str) -> Target:
    """The target of that name; raises PipelineError naming those that there are."""
    require_choice("target", name, TARGETS)
    return TARGETS[name]
