"""The tasks: their arguments and help. What they do stands in pipeline/stages, one module a stage."""

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from pipeline.runner import stage


@task(default=True)
def overview(_context: Context) -> None:
    """List the tasks in the order of the path."""
    from pipeline import overview as shown

    shown.show(GROUPS)


@task
@stage("lint")
def lint(_context: Context) -> None:
    """Check formatting, types, YAML, HCL, the Dockerfile and shell scripts."""
    from pipeline.stages import lint as body

    body.run()


#: The tasks as `./inv` lists them: by group, in the order of the path.
GROUPS = {
    "Check a change": [lint],
}

ns = Collection(overview, *(one for group in GROUPS.values() for one in group))
