"""Prepares an AWS account, once: the bucket for Terraform's state, the image registry, GitHub's roles."""

import re
from collections.abc import Collection

from pipeline.aws import account as aws
from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.github import api
from pipeline.releases import environments
from pipeline.targets import ecs
from pipeline.terraform.roots import GitHubRepository

GITHUB = "https://github.com/"


def run(
    environment_name: str,
    repository: str | None = None,
    owner_id: str | None = None,
    repository_id: str | None = None,
    acknowledged: Collection[str] = (),
) -> Result:
    """Prepares an environment's account; a repository's workflows get roles (default: a real account's origin)."""
    environment = environments.load(environment_name)
    if repository is None and not aws.is_local(environment):
        repository = git.web_address().removeprefix(GITHUB)
        if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", repository):
            raise PipelineError(
                "this checkout's origin is not on GitHub, so the roles of its workflows cannot be made",
                next_step="name the repository: --repository owner/name",
            )
    named = None
    if repository:
        if not owner_id or not repository_id:
            owner_id, repository_id = api.ids(repository)
        named = GitHubRepository(repository, owner_id, repository_id)
    return Result(ecs.prepare(environment, named, acknowledged))
