"""Lists the deployed environments for the workflows, whose jobs come from the files of ``environments/``."""

import json
from collections.abc import Collection

from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.releases import environments, history


def run(since: str | None = None, without: Collection[str] = ()) -> Result:
    """Those whose file has changed since a revision; all without one, or where it is not in the history."""
    names = [name for name in environments.deployed() if name not in without]
    if since:
        try:
            changed = git.changed(git.resolve(since), "HEAD")
            names = [name for name in names if history.path(name) in changed]
        except PipelineError:
            return _listed(names, f" ({since} is not in the history)")
    return _listed(names)


def _listed(names: list[str], note: str = "") -> Result:
    return Result(
        f"{', '.join(names) or 'none'}{note}", outputs={"environments": json.dumps(names)}
    )
