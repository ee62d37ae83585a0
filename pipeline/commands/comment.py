"""Keeps the one comment of a pull request: what each job found, updated with every push."""

from pipeline.commands import Result
from pipeline.core import markdown
from pipeline.github import actions, api, gate, reports

MARKER = "<!-- delivery:pull-request -->"


def run(number: int) -> Result:
    text = body(gate.judge(), reports.collect())
    return Result(api.api().comment(number, MARKER, text))


def body(jobs: list[gate.Job], fragments: dict[str, str]) -> str:
    """The comment's text: the verdict, a row for each job that did not pass, the others in two lines, then each report.

    A report is folded below its own heading; the plan's is not.
    """
    failed = [job for job in jobs if not job.accepted]
    parts = [f"### Not mergeable yet: {_names(failed)}" if failed else "### Mergeable", ""]
    if failed:
        rows = [
            (
                f"**{markdown.inline(job.name)}**{'' if job.result == 'failure' else f' ({job.result})'}",
                reports.reason(job.name, fragments) or markdown.inline(job.reason),
            )
            for job in failed
        ]
        parts += [*markdown.table(("job", "why, and what fixes it"), rows), ""]
    passed = [job for job in jobs if job.accepted and not job.reason]
    left_out = [job for job in jobs if job.accepted and job.reason]
    lines = (("Passed", passed), ("Left out, since the change cannot affect it", left_out))
    parts += [f"{word}: {_names(named)}.  " for word, named in lines if named]
    for name, fragment in fragments.items():
        opened = " open" if name.startswith("plan") else ""
        title, text = _titled(name, fragment)
        parts += ["", f"<details{opened}><summary>{title}</summary>", "", text, "", "</details>"]
    if actions.run_url():
        parts += ["", f"[Run]({actions.run_url()})"]
    return "\n".join(parts)


def _names(jobs: list[gate.Job]) -> str:
    return ", ".join(markdown.inline(job.name) for job in jobs)


def _titled(name: str, fragment: str) -> tuple[str, str]:
    """A report's heading as HTML, and its text without it; the report's name where it has no heading."""
    first, _, rest = fragment.strip().partition("\n")
    if not first.startswith("### "):
        return markdown.inline(name), fragment.strip()
    # In a summary nothing is Markdown: what was escaped for it would show its backslash.
    return markdown.plain(first.removeprefix("### ")), rest.strip()
