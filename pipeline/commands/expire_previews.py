"""Takes the label off pull requests whose preview is out of date; Argo CD then removes it."""

from datetime import UTC, datetime, timedelta

from pipeline.commands import Result
from pipeline.core import console
from pipeline.github import api, previews
from pipeline.releases.project import project


def run() -> Result:
    """Ends the previews of pull requests without a push for ``previews.days`` of project.yaml, and says so in each."""
    github, days = api.api(), project().previews.days
    before = datetime.now(UTC) - timedelta(days=days)
    wanted = [*filter(previews.is_wanted, github.items("pulls?state=open"))]
    expired = [pull for pull in wanted if previews.last_push(github, pull) < before]
    for pull in expired:
        console.info(f"  #{pull['number']}: {pull['title']}")
        previews.withdraw(github, pull, f"There was no push for {days} days.")
    return Result(f"{len(expired)} of {len(wanted)} previews ended")
