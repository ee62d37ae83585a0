"""Brings a later version of this repository to one that adopted it: both versions are adopted alike, then merged."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from pipeline.adoption import naming
from pipeline.commands import Result
from pipeline.core import console, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.git import repository as git
from pipeline.github import actions, api
from pipeline.releases.project import FILE, project

#: The adopter's own: no upgrade touches them.
OWN = ("app", "environments", "project.yaml", ".github/CODEOWNERS")
CHANGELOG = "CHANGELOG.md"


def run(source: str, to: str, base: str | None, *, checks: bool = True) -> Result:
    """Merges version ``to`` of the repository at ``source`` (a folder or a Git address) into the work tree.

    ``base`` is the version that was adopted; by default the one whose content project.yaml names.

    Raises PipelineError where the work tree is not clean, the adopted version is not in ``source``, or lines are in
    conflict: they are marked then as Git marks them.
    """
    if git.is_dirty():
        raise PipelineError(
            "the work tree is not clean", next_step="commit your changes, then upgrade"
        )
    if not project().delivery:
        raise PipelineError("no application was adopted", next_step="run ./inv adopt first")
    with tempfile.TemporaryDirectory() as folder, console.progress("upgrade") as step:
        upstream = Path(folder) / "upstream"
        process.run(
            ["git", "clone", "--quiet", "--no-checkout", source, upstream], log=log_file("upgrade")
        )
        old = git.resolve(base, root=upstream) if base else _adopted(upstream)
        remote = git.run("branch", "--remotes", "--list", f"origin/{to}", root=upstream)
        new = git.resolve(f"origin/{to}" if remote else to, root=upstream)
        if old == new:
            return Result("nothing to upgrade")
        branch = f"upgrade/{new[:12]}"
        if actions.running() and (url := _github().open_pull_request(**_between(branch))):
            return Result(f"it waits: {url}", f"It waits: {url}\n")
        commits: list[str] = []
        for revision in (old, new):
            step.update(f"adopt {revision[:12]}")
            commits.append(_adopt(upstream, revision, Path(folder) / revision[:12]))
        notes = _notes(upstream, old, new)
        conflicts = _merge(*commits)
        text = FILE.read_text(encoding="utf-8")
        tree = git.run("rev-parse", f"{new}^{{tree}}", root=upstream).strip()
        FILE.write_text(re.sub(r"(?m)^delivery: .*$", f"delivery: {tree}", text), encoding="utf-8")
    console.info(notes)
    if conflicts:
        raise PipelineError(
            f"the same was changed on both sides in {', '.join(conflicts)}",
            next_step="see git status, edit the marked lines or choose a side, git add the files, then ./inv format"
            " and commit (or take it back: git reset --hard)",
        )
    checking = (["lint"], ["test", "--fast"]) if checks else ()
    for task in (["lock-dependencies"], ["format"], *checking):
        process.run([ROOT / "inv", *task], log=log_file(f"upgrade-{task[0]}"), on_line=console.info)
    git.run("add", "--all")
    if actions.running():
        return Result(_propose(f"Upgrade the delivery to {new[:12]}", branch, notes))
    return Result(f"{old[:12]} → {new[:12]}; see git diff --cached, then commit", notes)


def _github() -> api.Api:
    """As the release app, so that the checks run on its pull request."""
    return api.api("RELEASE_TOKEN")


def _between(branch: str) -> dict[str, str]:
    return {"branch": branch, "base": os.environ["GITHUB_REF_NAME"]}


def _propose(title: str, branch: str, notes: str) -> str:
    """The address of the pull request. Its notes are not in the commit: they may quote a word that starts no checks."""
    git.push(
        git.snapshot(f"{title}\n"),
        remote="origin",
        ref=f"refs/heads/{branch}",
        token=os.environ["RELEASE_TOKEN"],
        replace=True,  # of an earlier proposal that was closed
    )
    return _github().pull_request(**_between(branch), title=title, body=notes)


def _adopted(upstream: Path) -> str:
    """The commit of the adopted content: a copy by "Use this template" has the same tree without the history."""
    for line in git.run("log", "--all", "--format=%H %T", root=upstream).splitlines():
        commit, _, tree = line.partition(" ")
        if tree == project().delivery:
            return commit
    raise PipelineError(
        "the version that was adopted is not in the history of the source",
        next_step="name it: --base COMMIT",
    )


def _adopt(upstream: Path, revision: str, clone: Path) -> str:
    """A commit, here, of a version that was adopted as this repository was."""
    process.run(
        ["git", "clone", "--quiet", "--no-checkout", upstream, clone], log=log_file("upgrade")
    )
    git.run("fetch", "--quiet", "origin", "+refs/remotes/origin/*:refs/upstream/*", root=clone)
    git.run("checkout", "--quiet", "--detach", revision, root=clone)
    own, now = project(), naming.now()
    answers = {
        **now,
        "name": own.name,
        "title": own.title,
        "wsgi": own.wsgi,
        "database": own.database.engine,
    }
    options = [f"--{option}={value}" for option, value in answers.items() if value]
    process.run(
        ["./inv", "adopt", ROOT / "app", *options, "--no-checks"],
        cwd=clone,
        log=log_file(f"upgrade-{clone.name}"),
    )
    # Lines elsewhere follow from the file: after an edit of it they are no edits.
    shutil.copy(FILE, clone)
    process.run(["./inv", "format"], cwd=clone, log=log_file(f"upgrade-{clone.name}"), append=True)
    git.run("add", "--all", root=clone)
    for path in OWN:
        git.run("rm", "-r", "--quiet", "--cached", "--ignore-unmatch", "--", path, root=clone)
    git.run("commit", "--quiet", "--message", f"Adopt {revision}", root=clone, env=git.identity())
    git.run("fetch", "--quiet", str(clone), "HEAD")
    return git.resolve("FETCH_HEAD")


def _merge(old: str, new: str) -> list[str]:
    """Merges what changed from old to new into index and work tree; the files with conflicts."""
    try:
        git.run("merge-recursive", old, "--", "HEAD", new)
    except CommandFailedError:
        conflicts = git.run("diff", "--name-only", "--diff-filter=U").splitlines()
        if not conflicts:
            raise
        return conflicts
    return []


def _notes(upstream: Path, old: str, new: str) -> str:
    """The sections of the later changelog that the adopted version did not have."""
    before, after = (
        git.run("show", f"{revision}:{CHANGELOG}", root=upstream)
        if git.run("ls-tree", revision, "--", CHANGELOG, root=upstream)
        else ""
        for revision in (old, new)
    )
    sections = re.split(r"(?m)^(?=## )", after)[1:]
    return "".join(section for section in sections if section.strip() not in before).strip()
