"""Keeps the one issue about drift: open while something differs, closed when nothing does."""

import json
import os

from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.github import actions, api, reports

MARKER = "<!-- delivery:drift -->"
LABEL = "drift"
TITLE = "What runs differs from what Git says"


def run() -> Result:
    """Judges the comparing job in NEEDS and keeps the issue."""
    try:
        result = json.loads(os.environ.get("NEEDS", ""))["drift"]["result"]
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError(
            "the result of the comparison cannot be read",
            next_step="pass NEEDS: ${{ toJSON(needs) }} to this step, with the job drift among the needs",
        ) from error
    text = None if result == "success" else body(reports.collect())
    url = api.api().issue(MARKER, TITLE, text, label=LABEL)
    return Result(url or "no difference, and no issue is open")


def body(fragments: dict[str, str]) -> str:
    """The issue's text: what each comparison found, or that it could not be made."""
    parts = [fragment for name, fragment in fragments.items() if "drift" in name]
    if not parts:
        parts.append("A comparison failed before it found a difference: the run's log says why.")
    if actions.run_url():
        parts.append(f"[Run]({actions.run_url()})")
    parts.append(
        "Bring it back by applying what Git says (run **Main** or **Promote** again), or change Git and merge."
    )
    return "\n\n".join(part.rstrip() for part in parts)
