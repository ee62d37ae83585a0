"""The one issue that tells of drift: opened or updated while something differs, closed when nothing does."""

import json
import os

from pipeline.core import console
from pipeline.core.errors import PipelineError
from pipeline.github import actions as github
from pipeline.github import api as github_api
from pipeline.github import reports

MARKER = "<!-- ecs-saas-app:drift -->"
LABEL = "drift"
TITLE = "What runs differs from what Git says"


def run() -> str:
    """Judges the comparing job in NEEDS and keeps the issue.

    Raises:
        PipelineError: NEEDS cannot be read, or GitHub refused.
    """
    try:
        result = json.loads(os.environ.get("NEEDS", ""))["drift"]["result"]
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError(
            "the result of the comparison cannot be read",
            next_step="pass NEEDS: ${{ toJSON(needs) }} to this step, with the job drift among the needs",
        ) from error
    text = None if result == "success" else body(reports.collect())
    url = github_api.api().issue(MARKER, TITLE, text, label=LABEL)
    console.info(f"  {url or 'no difference, and no issue is open'}")
    return url


def body(fragments: dict[str, str]) -> str:
    """The issue's text: what each comparison found, or that it could not be made."""
    found = [fragment for name, fragment in fragments.items() if "drift" in name]
    parts = found or [
        "A comparison failed before it could tell a difference: the run's log says why."
    ]
    if github.run_url():
        parts.append(f"[Run]({github.run_url()})")
    parts.append(
        "Bring it back by applying what Git says (run **Main** or **Promote** again), or change Git and merge."
    )
    return "\n\n".join(part.rstrip() for part in parts)
