"""The root modules: an environment's, and the one that prepares its account (bootstrap)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.paths import LOCAL, TERRAFORM
from pipeline.git import repository as git
from pipeline.releases import environments, project
from pipeline.releases.environments import Environment
from pipeline.terraform import cli


@dataclass(frozen=True)
class Root:
    """A root module: where its state lies, its variables, the variables that lead to AWS, and Git's own file."""

    name: str
    folder: Path
    bucket: str
    region: str
    variables: Mapping[str, str]
    environ: Mapping[str, str]
    protected: bool = False
    desired: Path | None = None

    @property
    def home(self) -> Path:
        """The folder of this root's files on this machine."""
        return LOCAL / "terraform" / self.name


@dataclass(frozen=True)
class GitHubRepository:
    """A repository whose workflows get roles: ``owner/name``, and the ids that its identity tokens bear."""

    name: str
    owner_id: str
    repository_id: str


def state_bucket(account_id: str, region: str) -> str:
    """The name of the bucket that bootstrap manages."""
    return f"{project.project().name}-state-{account_id}-{region}"


def environment_root(environment: Environment, environ: Mapping[str, str]) -> Root:
    """The root of an environment."""
    account_id, region = _place(environment)
    return Root(
        name=environment.name,
        folder=TERRAFORM,
        bucket=state_bucket(account_id, region),
        region=region,
        variables={"environment_file": str(environment.file)},
        environ=environ,
        protected=bool(environment.raw["aws"].get("deletion_protection", True)),
        desired=environments.path(environment.name),
    )


def bootstrap_root(
    environment: Environment,
    environ: Mapping[str, str],
    repository: GitHubRepository | None = None,
    *,
    disposable: bool = False,
) -> Root:
    """The root that prepares the account of an environment; all in a ``disposable`` one may be destroyed."""
    account_id, region = _place(environment)
    variables = {"account_id": account_id, "region": region}
    if applying := environments.deployed_to(account_id):
        variables["github_environments"] = json.dumps(applying)
    if disposable:
        variables["disposable"] = "true"
    if repository:
        variables["github_repository"] = repository.name
        variables["github_owner_id"] = repository.owner_id
        variables["github_repository_id"] = repository.repository_id
    return Root(
        name="bootstrap",
        folder=TERRAFORM / "bootstrap",
        bucket=state_bucket(account_id, region),
        region=region,
        variables=variables,
        environ=environ,
        protected=not disposable,
    )


def environ(root: Root) -> dict[str, str]:
    """The environment variables that Terraform runs with."""
    return cli.environment(root.environ, root.home / "data")


def backend(root: Root) -> list[str]:
    """The arguments of ``terraform init`` for the state.

    Without ``encrypt``: the bucket encrypts with our own key by default; ``encrypt=true`` would ask for one of S3's.
    """
    place = (f"bucket={root.bucket}", f"key={state_key(root)}", f"region={root.region}")
    return [f"-backend-config={setting}" for setting in (*place, "use_lockfile=true")]


def state_key(root: Root) -> str:
    """The state's object in its bucket; the lock's has ``.tflock`` added."""
    return f"{root.name}/terraform.tfstate"


def init_key(root: Root) -> str:
    """A hash of what init depends on: lock file, module calls, where the state lies and how it is reached."""
    endpoints = [root.environ.get(name, "") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")]
    modules = [folder.name for folder in sorted((TERRAFORM / "modules").iterdir())]
    words = [*backend(root), *endpoints, str(cli.configuration(root.environ)), *modules]
    return git.content_key([*root.folder.glob("*.tf"), root.folder / ".terraform.lock.hcl"], *words)


def source_key(root: Root) -> str:
    """A hash of what a plan depends on apart from the state: HCL, variables, and the files that it reads."""
    named = [Path(value) for name, value in root.variables.items() if name.endswith("_file")]
    settings = [f"{name}={value}" for name, value in sorted(root.variables.items())]
    if root.desired:
        # A plan keeps its digest; it is stale once Git names another one.
        named.append(root.desired)
    return git.content_key([*TERRAFORM.rglob("*.tf"), *named, project.FILE], *settings)


def _place(environment: Environment) -> tuple[str, str]:
    aws = environment.raw["aws"]
    return str(aws["account_id"]), str(aws.get("region", "us-east-1"))
