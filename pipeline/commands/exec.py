"""Runs a command in a running replica, the same on ECS, Kubernetes and Compose, and ends with its exit code."""

import shlex

from pipeline import targets
from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.targets.logs import printable

EXAMPLE = 'write it as for a shell: ./inv exec "python -m module"'


def run(command: str, to: str, environment_name: str, *, replica: str | None = None) -> Result:
    """Runs a command line, split in words as a shell would but without one, in the replica whose name ends so."""
    operations = targets.operations(to)
    environment = environments.load(environment_name)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise PipelineError(f"the command cannot be read: {error}", next_step=EXAMPLE) from error
    if not words or "\0" in command:
        raise PipelineError("there is no command to run", next_step=EXAMPLE)
    if environments.waits_for_release(environment):
        return Result(environments.unreleased(environment_name))
    names = operations.replicas(environment)
    chosen = [name for name in names if name.endswith(replica)] if replica else names[:1]
    if len(chosen) != 1:
        problem = "no replica" if not chosen else "more than one replica"
        raise PipelineError(
            f"{problem} has a name that ends with {replica!r}",
            next_step=f"choose one of: {', '.join(names)}",
        )
    code = operations.execute(
        environment, chosen[0], words, lambda line: console.info(printable(line.expandtabs()))
    )
    return Result("", code=code)
