"""Lists the deployed environments for the workflows, whose jobs come from the files of ``environments/``."""

import json
from collections.abc import Collection

from pipeline.commands import Result
from pipeline.git import repository as git
from pipeline.releases import environments, history


def run(since: str | None = None, without: Collection[str] = ()) -> Result:
    """Those whose file has changed since a revision; all without one, or where it is not in the history."""
    names = [name for name in environments.deployed() if name not in without]
    changed = git.changed_since(since) if since else None
    note = f" ({since} is not in the history)" if since and changed is None else ""
    if changed is not None:
        names = [name for name in names if history.path(name) in changed]
    outputs = {"environments": json.dumps(names)}
    return Result(f"{', '.join(names) or 'none'}{note}", outputs=outputs)
