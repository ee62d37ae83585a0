"""Shows what happened to the environments, who did it and when, with DORA's figures: as text, as JSON, as a page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from rich.markup import escape

from pipeline.argocd import git_server
from pipeline.commands import Result
from pipeline.core import console, files, markdown
from pipeline.core.errors import PipelineError
from pipeline.core.paths import LOCAL, shown
from pipeline.git import repository as git
from pipeline.github import actions
from pipeline.releases import dora, environments, timeline
from pipeline.releases.desired import Desired
from pipeline.releases.dora import Figures, Week
from pipeline.releases.project import project
from pipeline.releases.timeline import Commit, Entry

#: The page's template, and where the page is written.
PAGE = Path(__file__).with_name("history.html")
WRITTEN = LOCAL / "history.html"
#: Entries of an environment on a terminal; JSON and the page have all.
SHOWN = 20
#: Of a page's weeks: a bar each.
WEEKS = 52


@dataclass(frozen=True)
class History:
    """One environment's."""

    environment: str
    entries: list[Entry]
    figures: Figures
    weeks: list[Week]


def run(environment: str | None, *, days: int, as_json: bool, html: bool) -> Result:
    """Prints the timeline of one environment, else of each that ever had a release; ``html`` writes the page."""
    if days < 1:
        raise PipelineError("--days is 0", next_step="name a day or more, such as --days 90")
    here = not actions.running() and git_server.head() is not None
    names = [environment] if environment else environments.names()
    one = environments.load(environment) if environment else None
    # The checkout of a workflow is what it releases; a clone elsewhere may not have pulled the release yet.
    if one and actions.running() and environments.waits_for_release(one):
        return Result(environments.unreleased(one.name))
    desired = git_server.readable()
    now = datetime.now(UTC)
    found = read(desired, names, now, days)
    where = "this machine" if here else f"{desired.remote}/{desired.branch}"
    if as_json:
        return Result(json.dumps([_as_json(each) for each in found]))
    for each in found:
        _print(each)
    if html:
        files.write(WRITTEN, page(found, now, where=where))
        return Result(shown(WRITTEN))
    count = sum(len(each.entries) for each in found)
    said = f"{count} changes of {len(found)} environments" if found else "nothing is released yet"
    return Result(f"{said}, by {where}")


def read(desired: Desired, names: list[str], now: datetime, days: int) -> list[History]:
    """The timelines of those environments that ever had a release."""
    tip = desired.tip()
    branch = timeline.commits(tip, root=desired.root)
    histories = []
    for name in names:
        entries = timeline.entries(tip, name, root=desired.root)
        if any(entry.digest for entry in entries):
            figures = dora.figures(entries, branch, now, days)
            weeks = dora.weeks(entries, branch, now)
            histories.append(History(name, _told(entries, branch), figures, weeks))
    return histories


def page(histories: list[History], now: datetime, *, where: str) -> str:
    """A page that needs nothing else: no server, no script, no font."""
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template.filters |= {"span": console.span, "share": dora.share}
    return template.from_string(PAGE.read_text(encoding="utf-8")).render(
        title=project().title,
        histories=histories,
        now=now,
        where=where,
        weeks=WEEKS,
        commits=git.web_address(),
        failures=dora.FAILURES,
    )


def _told(entries: list[Entry], branch: Mapping[str, Commit]) -> list[Entry]:
    """The entries with what was released and who wrote it, not with the app's commit of a digest."""
    return [
        replace(each, author=source.author, change=source.subject)
        if each.kind == "release" and (source := branch.get(each.source))
        else each
        for each in entries
    ]


def _print(history: History) -> None:
    rows = [
        (
            f"{entry.at:%Y-%m-%d %H:%M}",
            entry.commit[:12],
            entry.kind,
            entry.digest.removeprefix("sha256:")[:12],
            entry.change,
            entry.author,
            outcome(entry),
        )
        for entry in history.entries[:SHOWN]
    ]
    console.info(f"{history.environment}:")
    cells = [[escape(markdown.one_line(cell)) for cell in row] for row in rows]
    console.table(("when", "commit", "what", "image", "change", "by", "outcome"), cells)
    if (left := len(history.entries) - SHOWN) > 0:
        console.info(f"… and {left} earlier (--json has all)")
    told = ", ".join(f"{name} {text}" for name, text in history.figures.words().items())
    console.info(f"last {history.figures.days} days: {told}")


def outcome(entry: Entry) -> str:
    """What became of it, in a word or two."""
    if entry.failed:
        return f"failed: {entry.reason}" if entry.reason else "failed"
    return f"verified on {entry.engines}" if entry.verified else ""


def _as_json(history: History) -> dict[str, Any]:
    """Times in ISO 8601, spans in seconds."""
    return {
        "environment": history.environment,
        "entries": [entry.as_json() for entry in history.entries],
        "dora": history.figures.as_json(),
        "weeks": [
            {
                "monday": week.monday.isoformat(),
                "deployments": week.deployments,
                "failed": week.failed,
                "lead_seconds": dora.seconds(week.lead),
            }
            for week in history.weeks
        ],
    }
