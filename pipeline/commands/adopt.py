"""Makes this repository deliver another Flask application: puts it into ``app/`` and names it wherever it is named."""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from pipeline.adoption import application, naming
from pipeline.adoption.naming import Answers
from pipeline.commands import Result
from pipeline.core import console, files, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.git import repository as git
from pipeline.releases import project

#: What no copy of an application takes along.
LEFT = shutil.ignore_patterns(
    ".git", ".github", "__pycache__", ".venv", "venv", "node_modules", ".tox", "*.db", ".env"
)
#: What may hold secrets, and shows their names alone.
PRIVATE = shutil.ignore_patterns(".env.*", "*.pem", "*.key")
EXAMPLES = shutil.ignore_patterns("*.example", "*.sample", "*.template", "*.dist")

IGNORED = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
FIELDS = tuple(field.name for field in fields(Answers))


def run(given: Mapping[str, str | None], *, dry_run: bool, checks: bool = True) -> Result:
    """Adopts the application, then runs lint and the fast tests; ``dry_run`` shows the difference and takes it back.

    ``given`` are the fields of ``Answers``; on a terminal it asks for those that are None.

    Raises PipelineError for an unclean work tree, a wrong answer (nothing is changed then), or a failed check.
    """
    if git.is_dirty():
        raise PipelineError(
            "the work tree is not clean", next_step="commit your changes, then adopt"
        )
    if lost := _unkept():
        raise PipelineError(
            f"app/ has what Git ignores, and adoption would delete: {', '.join(lost)}",
            next_step="move it away; a folder of your own is named: ./inv adopt SOURCE",
        )
    answers = _require_sound(_ask(given))
    remote = git.run("for-each-ref", "--format=%(symref:lstrip=3)", "refs/remotes/origin/HEAD")
    branch = remote.strip() or git.run("branch", "--show-current").strip()
    if branch != "main":
        console.warn(
            f"the default branch is {branch}: rename it, since workflows and Argo CD release from main"
        )
    with _source(answers) as folder, console.progress("adopt") as step:
        own = application.look(folder, answers.wsgi, answers.database)
        document = _document(answers, own)
        old = project.load()
        names = naming.names(old, answers)
        for line in (
            f"serves {own.wsgi}",
            f"locks {own.requirements.name}",
            f"probes {own.live}, {own.ready}",
        ):
            console.info(f"  {line}")
        console.info(
            f"  database {document['database']}, migrates by {list(own.migrate) or 'nothing'}"
        )
        if own.missing:
            console.warn(f"set in project.yaml's environment: {', '.join(own.missing)}")
        for note in own.notes:
            console.warn(note)
        try:
            naming.edit(answers, own, folder, names, document, sample=not old.delivery)
            for task in ("lock-dependencies", "format"):
                step.update(task)
                _inv(task)
            difference = _staged()
        except BaseException:
            _restore()
            raise
    if dry_run:
        _restore()
        console.info(difference)
        return Result(f"would change {difference.count('diff --git')} files")
    for check in (["lint"], ["test", "--fast"]) if checks else ():
        console.info(f"./inv {' '.join(check)}")
        process.run(
            [ROOT / "inv", *check],
            log=log_file(f"adopt-{check[0]}"),
            on_line=console.info,
            next_step="git diff --cached shows what was changed, git reset --hard takes it back",
        )
    console.info(
        "Next:\n  git commit -m 'Deliver our application'\n  ./inv deploy --to compose\n  ./inv deploy\n"
        "Before ./inv bootstrap: the certificate, alarms.emails and budget_usd in environments/ are examples"
    )
    changed = difference.count("diff --git")
    return Result(f"{answers.name}: {changed} files changed" if changed else "nothing to change")


def _inv(task: str) -> None:
    """Runs a task; raises PipelineError with the task's own cause and next step."""
    try:
        process.run([ROOT / "inv", task], log=log_file("adopt"), append=task == "format")
    except CommandFailedError as error:
        cause, _, rest = error.tail[-1].partition(". Next: ")
        if not rest:
            raise
        next_step = f"{rest.partition('. Log: ')[0].rstrip('.')}; nothing was changed"
        raise PipelineError(
            cause.removeprefix(f"{task} failed: "), next_step=next_step, log=error.log
        ) from error


def _ask(given: Mapping[str, str | None]) -> Answers:
    """The answers, by default what the repository says now."""
    answers: dict[str, Any] = dict(given)
    for field, (question, default) in _questions().items():
        if answers[field] is None:
            typed = input(f"{question} [{default}]: ").strip() if sys.stdin.isatty() else ""
            answers[field] = typed or default
    if not answers["name"]:
        raise PipelineError("the application has no name", next_step="name it: --name NAME")
    return Answers(**answers | {"title": answers["title"] or answers["name"].capitalize()})


def _questions() -> dict[str, tuple[str, str]]:
    own, now = project.load(), naming.now()
    return {
        "source": ("the application's folder or Git address; empty: what lies in app/", ""),
        "name": (
            "its name, 2 to 18 lower-case letters, digits or single hyphens",
            own.name if own.delivery else "",
        ),
        "title": ("its title for people", own.title if own.delivery else ""),
        "repository": ("this repository on GitHub, owner/name", now["repository"]),
        "account": ("the AWS account, 12 digits", now["account"]),
        "region": ("the AWS region", now["region"]),
        "domain": ("the domain of production; empty: none", now["domain"] if own.delivery else ""),
    }


@contextmanager
def _source(answers: Answers) -> Iterator[Path]:
    """A copy of the application's files."""
    with tempfile.TemporaryDirectory() as temporary:
        copy, folder = Path(temporary) / "application", Path(temporary) / "clone"
        if re.match(r"[\w+]+://|[\w.-]+@[\w.-]+:", answers.source) or answers.source.endswith(
            ".git"
        ):
            options = ("--quiet", "--depth=1", "--recurse-submodules")
            process.run(
                ["git", "clone", *options, answers.source, folder], log=log_file("adopt-clone")
            )
        else:
            folder = Path(answers.source).expanduser() if answers.source else ROOT / "app"
            if not folder.is_dir():
                raise PipelineError(
                    f"{folder} is no folder",
                    next_step="name the application's folder or Git address",
                )
        ignored, tracked = _rules(folder, Path(temporary) / "rules")
        private: list[str] = []

        def left(place: str, names: list[str]) -> set[str]:
            common = {
                *LEFT(place, names),
                *(each for each in names if Path(place, each) in ignored),
            }
            shown = {*EXAMPLES(place, names), *(n for n in names if Path(place, n) in tracked)}
            found = {*PRIVATE(place, names)} - common - shown
            private.extend(str(Path(place, each).relative_to(folder)) for each in sorted(found))
            return common | found

        shutil.copytree(folder, copy, ignore=left, symlinks=True)
        if private:
            console.warn(f"left out, since they may hold secrets: {', '.join(private)}")
        yield copy


def _unkept() -> list[str]:
    """What lies ignored in ``app/`` and nothing makes again."""
    listed = git.run(*IGNORED, "--", "app/*").split("\0")
    made = re.compile(r"(^|/)(__pycache__|\.(mypy|ruff|pytest)_cache)/$|\.pyc$")
    return [name for name in listed if name and not made.search(name)]


def _rules(folder: Path, rules: Path) -> tuple[set[Path], set[Path]]:
    """What the folder's repository ignores, and a clone of it would not have, and what it tracks.

    Its rules may stand above the folder. Without a repository, or where one ignores the folder as a whole, they are
    those of the folder, read by an empty repository at ``rules``.
    """
    try:
        ignored = git.run(*IGNORED, root=folder)
        tracked = git.run("ls-files", "-z", "--recurse-submodules", root=folder)
    except CommandFailedError:
        ignored, tracked = "./", ""
    if ignored.split("\0")[0] == "./":
        git.run("init", "--quiet", rules)
        ignored = git.run(f"--git-dir={rules / '.git'}", "--work-tree=.", *IGNORED, root=folder)
    found = [{folder / name for name in each.split("\0") if name} for each in (ignored, tracked)]
    return found[0], found[1]


def _require_sound(answers: Answers) -> Answers:
    wrong = {
        "--repository must be owner/name": re.fullmatch(r"[\w.-]+/[\w.-]+", answers.repository),
        "--account must be 12 digits": re.fullmatch(r"[0-9]{12}", answers.account),
        "--region must be a region such as eu-west-1": re.fullmatch(
            r"[a-z]{2}(-[a-z]+)+-[0-9]", answers.region
        ),
        "--domain must be a host name": re.fullmatch(
            r"([a-z0-9-]+(\.[a-z0-9-]+)+)?", answers.domain
        ),
    }
    if failed := [text for text, passed in wrong.items() if not passed]:
        raise PipelineError("; ".join(failed), next_step="correct the answer; nothing was changed")
    return answers


def _document(answers: Answers, own: application.Application) -> dict[str, Any]:
    """The new project file; raises PipelineError where an answer breaks its contract."""
    found: dict[str, Any] = {
        "wsgi": own.wsgi,
        "port": 5000,
        "probes": {"live": own.live, "ready": own.ready},
        "database": dict(own.database),
        **({"migrate": list(own.migrate)} if own.migrate else {}),
        **({"python_path": list(own.python_path)} if own.python_path else {}),
        **({"writable": list(own.writable)} if own.writable != ("/data",) else {}),
        **({"signing_key": own.signing_key} if own.signing_key != "SECRET_KEY" else {}),
    }
    if own.secrets:
        found["secrets"] = list(own.secrets)
    # Of an application that lies here already, the project file knows more than a look at it can.
    kept = files.read_yaml(project.FILE) if project.load().delivery else {}
    names = {"name": answers.name, "title": answers.title, "image": answers.name}
    document = names | ({**kept, **found} if answers.source else {**found, **kept}) | names
    if answers.wsgi:
        document["wsgi"] = own.wsgi
    if answers.database not in (None, document["database"]["engine"]):
        document["database"] = dict(own.database)
    _require_there(answers, kept, document)
    document["delivery"] = kept.get("delivery") or git.run("rev-parse", "HEAD^{tree}").strip()
    try:
        project.parse(document)
    except ValueError as error:
        raise PipelineError(
            str(error), next_step="correct the answer; nothing was changed"
        ) from error
    return document


def _require_there(answers: Answers, kept: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Raises PipelineError for an answer that needs settings which the adoption before took away."""
    gone = []
    if answers.domain and not naming.now()["domain"]:
        gone.append("a domain: service, ingress, aws.load_balancer")
    if document["database"]["engine"] == "postgresql" != kept.get("database", {}).get("engine"):
        gone.append("PostgreSQL: database, replicaCount, canary, aws.service.max_replicas")
    if kept and gone:
        raise PipelineError(
            f"environments/ has no settings for {'; nor for '.join(gone)}",
            next_step=f"set them as git show {kept['delivery'][:12]}:environments/production.yaml does, and the"
            " database in project.yaml; commit, then adopt",
        )


def _staged(root: Path = ROOT) -> str:
    """Stages all, and returns the difference; of ``app/`` also what its rules ignore: no source's copy has more."""
    git.run("add", "--all", root=root)
    git.run("add", "--force", "--", "app", root=root)
    return git.run("diff", "--cached", "HEAD", root=root)


def _restore(root: Path = ROOT) -> None:
    shutil.rmtree(root / "app", ignore_errors=True)  # its rules would keep what they ignore
    git.run("reset", "--hard", "--quiet", root=root)
    git.run("clean", "-d", "--force", "--quiet", root=root)
