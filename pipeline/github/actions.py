"""Outputs, annotations and job summaries of GitHub Actions. Elsewhere these functions do nothing."""

import os
from pathlib import Path

from pipeline.core import markdown

#: Characters that one comment or issue body may have.
BODY_LIMIT = 65_536
#: Bytes that one step may write to the job summary.
SUMMARY_LIMIT = 1024 * 1024


def running() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def on_github() -> bool:
    """Whether a workflow runs where registries and releases can be reached: not in a rehearsal on this machine."""
    return running() and "PIPELINE_HOST" not in os.environ


def output(name: str, value: str) -> None:
    """Sets an output of the step; raises ValueError for several lines, which could set further outputs."""
    if "\n" in value or "\r" in value:
        raise ValueError(f"the output {name} has several lines")
    _append("GITHUB_OUTPUT", f"{name}={value}\n")


def summary(text: str) -> None:
    """Adds to the summary of the job; a text above GitHub's limit is cut, with a note."""
    text = text.rstrip() + "\n\n"
    if len(text.encode()) > SUMMARY_LIMIT:
        text = markdown.cut(text, SUMMARY_LIMIT // 4, where="the job's log")
    _append("GITHUB_STEP_SUMMARY", text)


def annotate(message: str, *, title: str, file: str = "", line: int = 0) -> None:
    """Shows an error on a line of the change, counted from 1, or on the job when no file is given."""
    if not running():
        return
    properties = {"title": title, "file": file, "line": str(line) if line else ""}
    options = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    print(f"::error {options}::{_data(message)}", flush=True)


def switched_off(variable: str, feature: str) -> list[str]:
    """A sentence for the report where a workflow's variable switches a feature of GitHub off; nothing elsewhere."""
    if os.environ.get(variable, "true") == "true":
        return []
    return [f"{feature} is off in this repository (the variable `{variable}`, docs/github.md)."]


def run_url() -> str:
    """The address of this workflow run; empty outside GitHub Actions."""
    run = os.environ.get("GITHUB_RUN_ID", "")
    return f"{repository_url()}/actions/runs/{run}" if running() and run else ""


def repository_url() -> str:
    """The address of the workflow's repository; empty elsewhere."""
    server, repository = map(os.environ.get, ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    return f"{server}/{repository}" if server and repository else ""


def repository_id() -> str:
    """GitHub's id of the workflow's repository, which outlives a new name; empty elsewhere."""
    return os.environ.get("GITHUB_REPOSITORY_ID", "")


def linked_run() -> str:
    """The run as Markdown, for the note of a text that was cut."""
    url = run_url()
    return f"[the run]({url})" if url else "the run"


def linked_commit(commit: str = "") -> str:
    """A commit as Markdown, without one the workflow's."""
    commit = commit or os.environ.get("GITHUB_SHA", "")
    return f"[`{commit[:12]}`]({repository_url()}/commit/{commit})"


def _append(variable: str, text: str) -> None:
    name = os.environ.get(variable)
    if name:
        with Path(name).open("a", encoding="utf-8") as sink:
            sink.write(text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
