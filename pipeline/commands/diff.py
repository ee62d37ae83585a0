"""Shows what a change makes of each environment on Kubernetes: what Argo CD would render, before and after."""

import functools
import html
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.commands import Result
from pipeline.core import console, markdown
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.kubernetes import rendered
from pipeline.kubernetes.rendered import Change, Objects
from pipeline.releases import documents, environments, history
from pipeline.releases.project import project

#: What decides about the objects.
READ = ("infra/helm", "environments", "argocd")
#: Characters of a report: GitHub takes 65,536 in a comment, of which other stages want some.
REPORT_LENGTH = 25_000
OBJECT_LENGTH = 6_000


def run(since: str, *, root: Path = ROOT) -> Result:
    """Renders each environment of a real account, and Argo CD's own applications, at a revision and in the work tree.

    Raises PipelineError where the work tree cannot be rendered; of the revision that is only said.
    """
    base = git.resolve(since, root=root)
    with tempfile.TemporaryDirectory() as folder:

        @functools.cache
        def tree(revision: str) -> Path:
            git.export(revision, Path(folder) / revision, *READ, root=root)
            return Path(folder) / revision

        made: dict[str, Callable[[Path], Objects]] = {
            name: functools.partial(_environment, name, tree) for name in environments.deployed()
        }
        made["Argo CD"] = rendered.applications
        changes = {
            name: _changes(name, lambda each=each: each(tree(base)), lambda each=each: each(root))  # type: ignore[misc]
            for name, each in made.items()
        }
    for name, found in changes.items():
        for change in found:
            console.info(f"{name}: {change.title}")
            console.info("\n".join(f"    {line}" for line in change.lines))
    headline = ", ".join(f"{name} {len(found)}" for name, found in changes.items())
    # The workflow compares a merge with its first parent, which its readers know as the branch.
    known = os.environ.get("GITHUB_BASE_REF") or since
    return Result(f"objects that change: {headline}", report(changes, known))


def report(changes: Mapping[str, Sequence[Change]], since: str) -> str:
    """Objects folded one by one; one that is too long for the rest of the report is only named."""
    rows = [(name, str(len(found)) if found else "none") for name, found in changes.items()]
    total = sum(map(len, changes.values()))
    count = f"{total or 'no'} object{'' if total == 1 else 's'}"
    parts = [f"### Kubernetes: {count} changed against {markdown.inline(since)}", ""]
    parts += [*markdown.table(("environment", "objects that change"), rows), ""]
    room = REPORT_LENGTH
    for name, found in changes.items():
        for change in found:
            title = f"{name}: {change.title}"
            block = markdown.code_block("\n".join(change.lines), "diff")
            block = markdown.cut(block, OBJECT_LENGTH, where="the job's log")
            if len(block) > room:
                parts += [f"- {markdown.inline(title)}: in the job's log", ""]
                continue
            room -= len(block)
            summary = html.escape(markdown.one_line(title))
            parts += [f"<details><summary>{summary}</summary>", "", block, "</details>", ""]
    return "\n".join(parts)


def _environment(name: str, tree: Callable[[str], Path], folder: Path) -> Objects:
    """What a tree makes of an environment; nothing where it has none of that name."""
    file = folder / history.path(name)
    if not file.is_file():
        return {}
    content = documents.load(file)
    promoted = content.get("revision")
    chart = tree(promoted) if promoted else folder
    return rendered.environment(content, chart, folder, application=project().name)


def _changes(
    name: str, before: Callable[[], Objects], after: Callable[[], Objects]
) -> list[Change]:
    try:
        new = after()
    except PipelineError as error:
        cause = f"{name} cannot be rendered: {error.cause}"
        raise PipelineError(cause, next_step=error.next_step, log=error.log) from error
    try:
        old = before()
    except PipelineError as error:
        console.warn(f"{name} could not be rendered before ({error.cause}): all of it is shown")
        old = {}
    return list(rendered.differences(old, new))
