"""Shows the life of an environment's last deployment, of which a rollback may be the end; asks, and changes nothing."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

from rich.markup import escape

from pipeline import targets
from pipeline.argocd import git_server
from pipeline.attestations import admission
from pipeline.aws import account as aws
from pipeline.commands import Result
from pipeline.core import console, markdown
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.github import actions, api, reviews
from pipeline.releases import dora, environments, timeline
from pipeline.releases.desired import Desired
from pipeline.releases.dora import Figures
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.timeline import Commit, Entry

#: Days that the figures are of, as in ./inv history.
DAYS = 90
#: Changes that are listed; JSON has all.
SHOWN = 10
#: Neither engine, load balancer nor pipeline keeps them (docs/history.md).
UNRECORDED = "NOT RECORDED: error rate and latency (docs/history.md)"


@dataclass(frozen=True)
class Life:
    """What Git has of a deployment. ``before`` is what ran until then, ``end`` the rollback that took its place.

    ``since`` are the other changes since then, the newest first; ``figures`` are DORA's before and after it.
    """

    deployment: Entry
    source: Commit | None
    brought: list[Commit]
    before: Entry | None
    end: Entry | None
    since: list[Entry]
    figures: tuple[Figures, Figures]


def run(environment_name: str, *, as_json: bool) -> Result:
    """Prints it; what cannot be asked here is ``NOT CHECKED``, with the reason."""
    environment = environments.load(environment_name)
    here = not actions.running() and git_server.head() is not None
    # The checkout of a workflow is what it releases; a clone elsewhere may not have pulled the release yet.
    if environments.waits_for_release(environment) and actions.running():
        return Result(environments.unreleased(environment_name))
    now = datetime.now(UTC)
    life = read(git_server.readable(), environment_name, now)
    if life is None:
        return Result(environments.unreleased(environment_name))
    asked = {name: _asked(question) for name, question in _questions(environment, life, here=here)}
    if as_json:
        return Result(json.dumps({"environment": environment_name, **_as_json(life), **asked}))
    for name, text in [*_facts(life, now), *_answers(asked, life), ("requests", UNRECORDED)]:
        console.info(f"{name:<14}{markdown.one_line(text)}")
    before, after = (figures.words() for figures in life.figures)
    rows = [("before", *before.values()), ("after", *after.values())]
    console.table((f"last {DAYS} days", *before), [[escape(cell) for cell in row] for row in rows])
    where = ", by this machine's repository" if here else ""
    return Result(f"{environment_name}: {_outcome(life)}{where}")


def read(desired: Desired, environment: str, now: datetime) -> Life | None:
    """The life of the newest release, by Git; None where there never was one."""
    tip = desired.tip()
    entries = timeline.entries(tip, environment, root=desired.root)
    place = next((place for place, each in enumerate(entries) if each.kind == "release"), None)
    if place is None:
        return None
    branch = timeline.commits(tip, root=desired.root)
    deployment, later, earlier = entries[place], entries[:place], entries[place + 1 :]
    # A rollback of settings leaves the image, which goes on.
    end = next((each for each in reversed(later) if each.digest != deployment.digest), None)
    same = list(takewhile(lambda each: each.digest == earlier[0].digest, earlier))
    # Of a failed one as well: what it brought is looked for the cause.
    brought = list(timeline.changes([replace(deployment, failed=False), *earlier], branch))[-1][1]
    return Life(
        deployment,
        branch.get(deployment.source),
        brought,
        same[-1] if same and same[-1].digest else None,
        end,
        [each for each in later if each is not end],
        (
            dora.figures(earlier, branch, deployment.at, DAYS),
            dora.figures(entries, branch, now, DAYS),
        ),
    )


def _facts(life: Life, now: datetime) -> list[tuple[str, str]]:
    """What Git says, as name and text."""
    it, before, end = life.deployment, life.before, life.end
    facts = [("deployment", _named(it)), ("image", it.digest)]
    if life.source:
        facts.append(("source", f"{it.source[:12]} {_subject(life.source)}"))
    else:
        facts.append(("source", f"{it.source[:12] or 'not named'}, no commit of this branch"))
    facts += [("brought", _subject(each)) for each in life.brought[-SHOWN:]]
    if (more := len(life.brought) - SHOWN) > 0:
        facts.append(("", f"… and {more} earlier (--json has all)"))
    if it.override:
        facts.append(("override", it.override))
    live = life.source and it.verified and it.verified - life.source.at
    lead = f", {console.span(live)} after its commit" if live else ""
    facts.append(("verified", f"{_verified(it)}{lead}"))
    if before:
        ran = f"ran {console.span(it.at - before.at)}"
        facts.append(("before", f"{before.digest[7:19]}, {ran}, verified: {_verified(before)}"))
    else:
        facts.append(("before", "nothing, it is the first release"))
    facts.append(("ran", console.span((end.at if end else now) - it.at)))
    if end:
        facts.append(("rolled back", f"{_named(end)}, to {end.digest[7:19]}"))
        facts.append(("why", end.reason or "no reason was given"))
    elif it.failed:
        facts.append(("failed", it.reason or "it did not become healthy on this machine"))
    return [*facts, *(("since", _named(each)) for each in life.since)]


def _questions(
    environment: environments.Environment, life: Life, *, here: bool
) -> list[tuple[str, Callable[[], Any]]]:
    """What others than Git are asked, by name."""
    it = life.deployment
    commits = [commit for commit in dict.fromkeys((it.source, it.commit)) if commit]

    def github() -> api.Api:
        if here:
            raise PipelineError("it was deployed on this machine", next_step="ask on GitHub")
        origin = os.environ.get("GITHUB_REPOSITORY") or urlsplit(git.web_address()).path.strip("/")
        token = os.environ.get("GITHUB_TOKEN", "")
        if not (origin and token):
            lacks = "GITHUB_TOKEN is not set" if origin else "this clone has no origin on GitHub"
            raise PipelineError(lacks, next_step="set it")
        return api.of(origin, token)

    def approved() -> dict[str, list[str]]:
        asked = github()
        merged = [reviews.approvals(asked, commit) for commit in commits]
        return {f"#{number}": people for each in merged for number, people in each.items()}

    def let_in() -> list[str]:
        asked, name = github(), environment.name
        found = [reviews.deployers(asked, commit, name) for commit in commits]
        return sorted({person for people in found for person in people})

    def built() -> str:
        if here:
            return _build(admission.provenance_here(environment, it.digest))
        image = ImageReference(environment.repository, it.digest)
        return _build(admission.provenance(aws.account(environment), image))

    def runs(engine: str) -> dict[str, Any]:
        state = targets.find(engine).observe(environment)
        if state is None:
            raise PipelineError("it is not up, or not to be seen from here", next_step="start it")
        return state.as_json()

    return [
        ("checks", lambda: reviews.checks(github(), commits[0])),
        ("approved", approved),
        ("let in", let_in),
        ("built", built),
        *((engine, lambda engine=engine: runs(engine)) for engine in targets.DEPLOYED),
    ]


def _asked(question: Callable[[], Any]) -> dict[str, Any]:
    """The answer as ``found``, else why there is none as ``not_checked``."""
    try:
        return {"found": question()}
    except Exception as error:
        known = error if isinstance(error, PipelineError) else aws.refusal(error)
        if known is None:
            raise
        return {"not_checked": known.cause}


def _answers(asked: dict[str, dict[str, Any]], life: Life) -> list[tuple[str, str]]:
    """The answers as name and text."""

    def words(name: str, found: Any) -> str:
        if name in targets.DEPLOYED:
            runs_it = found["image"].partition("@")[2] == life.deployment.digest
            health = "healthy" if found["healthy"] else "NOT healthy"
            age = found["age"]
            since = (
                f", deployed {console.span(timedelta(seconds=age))} ago" if age is not None else ""
            )
            which = "this image" if runs_it else f"another image, {found['image']}"
            return f"runs {which}: {found['replicas']} replicas, {health}{since}"
        if name == "approved":
            each = [f"{pull} by {', '.join(who) or 'NOBODY'}" for pull, who in found.items()]
            return ", ".join(each) or "NOBODY: no pull request brought it"
        if name == "checks":
            return ", ".join(f"{check} {result}" for check, result in found.items()) or "NONE ran"
        if name == "let in":
            return ", ".join(found) or "nobody was asked"
        return str(found)

    return [
        (
            name,
            words(name, each["found"])
            if "found" in each
            else f"NOT CHECKED: {each['not_checked']}",
        )
        for name, each in asked.items()
    ]


def _build(predicate: dict[str, Any]) -> str:
    """The signed provenance in words: commit and workflow run."""
    source = predicate["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"]
    return f"signed, from {source[:12]}, {predicate['runDetails']['metadata']['invocationId'] or 'on this machine'}"


def _as_json(life: Life) -> dict[str, Any]:
    before, after = (figures.as_json() for figures in life.figures)
    return {
        "deployment": life.deployment.as_json(),
        "brought": [{"author": each.author, "subject": each.subject} for each in life.brought],
        "before": life.before and life.before.as_json(),
        "end": life.end and life.end.as_json(),
        "since": [each.as_json() for each in life.since],
        "dora": {"before": before, "after": after},
    }


def _named(entry: Entry) -> str:
    return f"{entry.commit[:12]} {entry.at:%Y-%m-%d %H:%M} {entry.change} ({entry.author})"


def _subject(commit: Commit) -> str:
    return f"{commit.subject} ({commit.author})"


def _verified(entry: Entry) -> str:
    return f"{entry.verified:%Y-%m-%d %H:%M} on {entry.engines}" if entry.verified else "never"


def _outcome(life: Life) -> str:
    name = life.deployment.digest[7:19]
    if life.end:
        return f"{name} was rolled back after {console.span(life.end.at - life.deployment.at)}"
    if life.deployment.failed:
        return f"{name} failed"
    return f"{name} is what Git names" + (", not verified" if not life.deployment.verified else "")
