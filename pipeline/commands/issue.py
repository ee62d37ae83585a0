"""Keeps one open issue for drift, and one for each environment whose last deployment failed."""

import os

import httpx

from pipeline.commands import Result
from pipeline.github import actions, api, gate, reports
from pipeline.releases import environments

OFF = (
    "Issues are off in this repository (Settings → General → Features; a fork has none until then)"
)


def run(environment_name: str = "") -> Result:
    """Judges the job in NEEDS, `deploy` of an environment or without one `drift`: its issue is opened, or closed.

    CHANGE is the commit on main by which Git names what was deployed, where there is one. A repository without Issues
    gets a sentence in the summary instead.
    """
    about = environments.load(environment_name).name if environment_name else ""
    job = "deploy" if about else "drift"
    needed = gate.needs(job)[job]
    commit = needed.outputs.get("back", "")
    title = (
        f"The last deployment to {about} failed"
        if about
        else "What runs differs from what Git says"
    )
    failed = needed.result != "success"
    text = body(reports.collect(), about, commit, os.environ.get("CHANGE", "")) if failed else None
    try:
        url = api.api().issue(
            f"<!-- delivery:{job}{about and f'-{about}'} -->",
            title,
            text,
            label="deployment" if about else "drift",
            gone=f"A later deployment to {about} has succeeded."
            if about
            else "The difference is gone.",
        )
    except api.RefusedError as error:
        if error.status != httpx.codes.GONE:
            raise
        return Result(OFF, f"### {title if failed else 'Issue'}\n\n{OFF}.\n\n{text or ''}")
    return Result(url or "all is as it should be, and no issue is open", outputs={"url": url})


def body(fragments: dict[str, str], environment: str = "", back: str = "", change: str = "") -> str:
    """The issue's text: what the tasks that failed reported, and what Git names now.

    ``change`` is the commit by which Git named what failed, ``back`` the one that took Git back, where there is one.
    """
    parts = [text for text in fragments.values() if reports.FAILED in text]
    parts = parts or ["The job ended before a task had told a cause: the run's log has it."]
    if actions.run_url():
        parts.append(f"[The run]({actions.run_url()}) of {actions.linked_commit()}.")
    if environment:
        went = "Git was not changed"
        if back:
            went = f"Git went back by {actions.linked_commit(back)}"
        elif change:
            went = (
                f"Git names what failed since {actions.linked_commit(change)}, and Argo CD follows Git: unless a later"
                " commit has taken it back, start the workflow **Roll back**"
                f" (`gh workflow run rollback.yml -f environment={environment}`)"
            )
        parts.append(
            f"{went}; `./inv explain {environment}` tells what runs."
            " The next deployment that succeeds closes this issue."
        )
    else:
        parts.append(
            "Bring it back by applying what Git says (run **Main** or **Promote** again), or change Git and merge."
        )
    return "\n\n".join(part.rstrip() for part in parts)
