"""Keeps one open issue for drift, and one for each environment whose last deployment failed."""

from pipeline.commands import Result
from pipeline.github import actions, api, gate, reports
from pipeline.releases import environments


def run(environment_name: str = "") -> Result:
    """Judges the job in NEEDS, `deploy` of an environment or without one `drift`: its issue is opened, or closed."""
    about = environments.load(environment_name).name if environment_name else ""
    job = "deploy" if about else "drift"
    needed = gate.needs(job)[job]
    commit = needed.outputs.get("back", "")
    title = (
        f"The last deployment to {about} failed"
        if about
        else "What runs differs from what Git says"
    )
    url = api.api().issue(
        f"<!-- delivery:{job}{about and f'-{about}'} -->",
        title,
        None if needed.result == "success" else body(reports.collect(), about, commit),
        label="deployment" if about else "drift",
        gone=f"A later deployment to {about} has succeeded."
        if about
        else "The difference is gone.",
    )
    return Result(url or "all is as it should be, and no issue is open", outputs={"url": url})


def body(fragments: dict[str, str], environment: str = "", back: str = "") -> str:
    """The issue's text: what the tasks that failed reported; ``back`` is the commit that took Git back, if one did."""
    parts = [text for text in fragments.values() if reports.FAILED in text]
    parts = parts or ["The job ended before a task had told a cause: the run's log has it."]
    if actions.run_url():
        parts.append(f"[The run]({actions.run_url()}) of {actions.linked_commit()}.")
    if environment:
        went = f"Git went back by {actions.linked_commit(back)}" if back else "Git was not changed"
        parts.append(
            f"{went}; `./inv explain {environment}` tells what runs."
            " The next deployment that succeeds closes this issue."
        )
    else:
        parts.append(
            "Bring it back by applying what Git says (run **Main** or **Promote** again), or change Git and merge."
        )
    return "\n\n".join(part.rstrip() for part in parts)
