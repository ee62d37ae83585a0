"""The path of a change to a target, as `./inv deploy` runs it: all stages, side by side where they may be."""

from collections.abc import Callable
from threading import Event

from pipeline.commands import apply, bootstrap, build, plan, push, scan, sync, test, verify
from pipeline.core import console, graph
from pipeline.core.errors import PipelineError
from pipeline.core.graph import Step
from pipeline.core.locks import exclusive
from pipeline.core.waiting import wait
from pipeline.images import app as appimage
from pipeline.targets import compose

ENVIRONMENT = "local"
#: The longest that bootstrap takes until the registry is there.
REGISTRY_SECONDS = 600


def deploy(target: str, *, redo: bool = False) -> None:
    """Brings what is in the work tree to a target, and ends by printing the URL that answers.

    Args:
        redo: Run the tests also when nothing has changed since they passed.

    Raises:
        PipelineError: An unknown target, another deploy is under way, or a stage failed.
    """
    if target not in TARGETS:
        raise PipelineError(
            f"there is no target {target!r}", next_step=f"choose one of: {', '.join(TARGETS)}"
        )
    with exclusive("deploy"):
        if redo:
            test.forget()
        url = TARGETS[target]()
    console.out.print(f"\nThe application answers at [bold]{url}[/]", soft_wrap=True)


def to_ecs() -> str:
    """Deploys to ECS on the local AWS; returns the URL."""
    answer: list[str] = []

    def verified() -> str:
        answer.append(verify.run(ENVIRONMENT))
        return answer[0]

    graph.run(ecs_steps(verified), title="deploy to ecs")
    return answer[0]


def ecs_steps(verified: Callable[[], str]) -> list[Step]:
    """The stages of a deployment to ECS; their tasks bear the same names, except the account's, which is bootstrap."""
    return [
        Step("test", lambda: test.once(chart=False)),
        Step("account", lambda: bootstrap.run(ENVIRONMENT)),
        Step("build", build.run),
        Step("scan", scan.run, needs=["build"]),
        Step("push", lambda: push.run(ENVIRONMENT), needs=["account", "scan"]),
        Step("plan", lambda: plan.run(ENVIRONMENT), needs=["push", "test"]),
        Step("apply", lambda: apply.run(ENVIRONMENT), needs=["plan"]),
        Step("verify", verified, needs=["apply"]),
    ]


def to_kubernetes() -> str:
    """Deploys to Kubernetes: Argo CD syncs a commit of the work tree; returns the URL."""
    answer: list[str] = []
    account_is_over = Event()

    def verified() -> str:
        answer.append(verify.run(ENVIRONMENT, to="kubernetes"))
        return answer[0]

    def account() -> str:
        try:
            return bootstrap.run(ENVIRONMENT)
        finally:
            account_is_over.set()

    graph.run(
        [
            Step("test", lambda: test.once(chart=True)),
            Step("account", account),
            # Kubernetes needs nothing else of the account, which goes on beside it.
            Step("registry", lambda: _registry(account_is_over)),
            Step("cluster", sync.prepare),
            Step("build", build.run),
            Step("scan", scan.run, needs=["build"]),
            Step("push", lambda: push.run(ENVIRONMENT), needs=["registry", "scan"]),
            Step("sync", lambda: sync.run(ENVIRONMENT), needs=["cluster", "push", "test"]),
            Step("verify", verified, needs=["sync"]),
        ],
        title="deploy to kubernetes",
    )
    return answer[0]


def _registry(account_is_over: Event) -> str:
    """Waits until images can be pushed; gives up when the account was not made."""
    wait(
        lambda: push.registry_is_there(ENVIRONMENT) or account_is_over.is_set(),
        timeout=REGISTRY_SECONDS,
    )
    if not push.registry_is_there(ENVIRONMENT):
        raise PipelineError("the account has no image registry", next_step="run ./inv bootstrap")
    return "images can be pushed"


def to_compose() -> str:
    """Starts the image of the work tree under Compose, with live editing; returns the URL."""
    answer: list[str] = []

    def started() -> str:
        compose.up(appimage.current().image)
        return "web"

    def verified() -> str:
        answer.append(verify.compose())
        return answer[0]

    graph.run(
        [
            Step("test", lambda: test.once(chart=False)),
            Step("build", build.run),
            Step("start", started, needs=["test", "build"]),
            Step("verify", verified, needs=["start"]),
        ],
        title="deploy to compose",
    )
    return answer[0]


TARGETS: dict[str, Callable[[], str]] = {
    "ecs": to_ecs,
    "kubernetes": to_kubernetes,
    "compose": to_compose,
}
