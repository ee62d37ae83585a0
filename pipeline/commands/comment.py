"""Keeps the one comment of a pull request: what each job found, updated with every push."""

import os

from pipeline.commands import Result
from pipeline.core import markdown
from pipeline.github import actions, api, gate, reports

MARKER = "<!-- delivery:pull-request -->"
MARKS = {"success": "✅", "skipped": "⏭", "failure": "❌", "cancelled": "⛔"}


def run(number: int) -> Result:
    """Writes or updates the comment of pull request ``number``."""
    text = body(gate.judge(os.environ.get("NEEDS", "")), reports.collect())
    return Result(api.api().comment(number, MARKER, text))


def body(jobs: list[gate.Job], fragments: dict[str, str]) -> str:
    """The comment's text: the verdict, a table of jobs with why one failed, then each report, the plan's unfolded."""
    failed = [markdown.inline(job.name) for job in jobs if not job.accepted]
    verdict = f"❌ **Not mergeable yet**: {', '.join(failed)}" if failed else "✅ **Mergeable**"
    rows = [
        (
            f"{MARKS.get(job.result, '')} {markdown.inline(job.name)}",
            job.result,
            (not job.accepted and reports.reason(job.name, fragments))
            or markdown.inline(job.reason),
        )
        for job in jobs
    ]
    parts = [verdict, "", *markdown.table(("job", "result", "why"), rows)]
    for name, fragment in fragments.items():
        opened = " open" if name.startswith("plan") else ""
        summary = f"<summary>{markdown.inline(name)}</summary>"
        parts += ["", f"<details{opened}>{summary}", "", fragment.rstrip(), "", "</details>"]
    if actions.run_url():
        parts += ["", f"[Run]({actions.run_url()})"]
    return "\n".join(parts)
