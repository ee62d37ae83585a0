"""The one comment of a pull request: what each job found, updated with every push."""

import os

from pipeline.core import console, markdown
from pipeline.github import actions as github
from pipeline.github import api as github_api
from pipeline.github import needs, reports

MARKER = "<!-- ecs-saas-app:pull-request -->"
MARKS = {"success": "✅", "skipped": "⏭", "failure": "❌", "cancelled": "⛔"}


def run(number: int) -> str:
    """Writes or updates the comment of pull request ``number``.

    Raises:
        PipelineError: GitHub refused, or NEEDS cannot be read.
    """
    text = body(needs.judge(os.environ.get("NEEDS", "")), reports.collect())
    url = github_api.api().comment(number, MARKER, text)
    console.info(f"  {url}")
    return url


def body(jobs: list[needs.Job], fragments: dict[str, str]) -> str:
    """The comment's text: a table of jobs, then each fragment, the plan open and the others folded."""
    rows = [
        f"| {MARKS.get(job.result, '')} {markdown.inline(job.name)} | {job.result} | {markdown.inline(job.reason)} |"
        for job in jobs
    ]
    parts = ["| job | result | |", "| --- | --- | --- |", *rows, ""]
    for name, fragment in fragments.items():
        opened = " open" if name.startswith("plan") else ""
        parts += [
            f"<details{opened}><summary>{markdown.inline(name)}</summary>",
            "",
            fragment.rstrip(),
            "",
            "</details>",
            "",
        ]
    if github.run_url():
        parts.append(f"[Run]({github.run_url()})")
    return "\n".join(parts)
