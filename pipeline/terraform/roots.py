"""The root modules: an environment's, and the one that prepares its account (bootstrap)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import LOCAL, ROOT, TERRAFORM
from pipeline.git import repository as git
from pipeline.releases import environments, project
from pipeline.releases.environments import Environment
from pipeline.terraform import cli

#: What the root of an environment is read from, in any revision.
_HCL, _PROJECT = (str(path.relative_to(ROOT)) for path in (TERRAFORM, project.FILE))


@dataclass(frozen=True)
class Root:
    """A root module: where its state lies, its variables, the variables that lead to AWS, and Git's own file.

    ``tree`` is what its files are part of: the work tree, or the files of a promoted revision.
    """

    name: str
    folder: Path
    bucket: str
    region: str
    variables: Mapping[str, str]
    environ: Mapping[str, str]
    desired: Path | None = None
    tree: Path = ROOT

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
    """The root of an environment, with the HCL of its promoted revision where it has one."""
    account_id, region = _place(environment)
    tree = _tree(environment)
    return Root(
        name=environment.name,
        folder=tree / _HCL,
        bucket=state_bucket(account_id, region),
        region=region,
        variables={"environment_file": str(environment.file)},
        environ=environ,
        desired=environments.path(environment.name),
        tree=tree,
    )


def bootstrap_root(
    environment: Environment,
    environ: Mapping[str, str],
    repository: GitHubRepository | None = None,
    *,
    disposable: bool = False,
    shared_provider: bool = False,
) -> Root:
    """The root that prepares the account of an environment.

    Args:
        disposable: All in the account may be destroyed.
        shared_provider: The account has GitHub's identity provider, made by somebody else.
    """
    account_id, region = _place(environment)
    # This machine's own environment among them where its file names that account.
    every = map(environments.load, environments.names())
    neighbours = [each for each in every if str(each.raw["aws"]["account_id"]) == account_id]
    regions = {each.name: _place(each)[1] for each in neighbours}
    if len({*regions.values()}) > 1:
        raise PipelineError(
            f"the environments of account {account_id} are in several regions: {regions}",
            next_step="give each region an account: the names of roles and policies are an account's, not a region's",
        )
    variables = {
        "account_id": account_id,
        "region": region,
        "environments": json.dumps({each.name: _identity(each) for each in neighbours}),
        "disposable": json.dumps(disposable),
    }
    if repository:
        deployed = [each.name for each in neighbours if each.name in environments.deployed()]
        variables["github_environments"] = json.dumps(deployed)
        variables["create_oidc_provider"] = json.dumps(not shared_provider)
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
    )


def environ(root: Root) -> dict[str, str]:
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
    modules = [folder.name for folder in sorted((root.tree / _HCL / "modules").iterdir())]
    words = [*backend(root), *endpoints, str(cli.configuration(root.environ)), *modules]
    return git.content_key([*root.folder.glob("*.tf"), root.folder / ".terraform.lock.hcl"], *words)


def source_key(root: Root) -> str:
    """A hash of what a plan depends on apart from the state: HCL, variables, and the files that it reads."""
    named = [Path(value) for name, value in root.variables.items() if name.endswith("_file")]
    settings = [f"{name}={value}" for name, value in sorted(root.variables.items())]
    if root.desired:
        # A plan keeps its digest; it is stale once Git names another one.
        named.append(root.desired)
    own = [*(root.tree / _HCL).rglob("*.tf"), root.tree / _PROJECT]
    return git.content_key([*own, *named], *settings)


def _tree(environment: Environment) -> Path:
    """The work tree, or the files of the environment's promoted revision."""
    revision = environment.revision
    if revision is None:
        return ROOT
    tree = LOCAL / "revisions" / revision
    try:
        merged = git.is_ancestor(revision, "HEAD")
    except CommandFailedError:
        merged = False
    if not merged:
        raise PipelineError(
            f"{environment.name} is to run revision {revision[:12]}, which this branch does not contain",
            next_step=f"fetch the whole history, or promote to {environment.name} again",
        )
    if not tree.is_dir():
        git.export(revision, tree, _HCL, _PROJECT)
    return tree


def base_name(environment: Environment) -> str:
    """What the names of an environment's resources begin with: the rule of the Terraform module ``settings``."""
    suffix = environment.raw["aws"].get("name_suffix")
    return f"{project.project().name}-{suffix}" if suffix else project.project().name


def service_names(environment: Environment) -> tuple[str, str]:
    """The names of an environment's ECS cluster and of the service in it."""
    name = base_name(environment)
    return f"{name}-cluster", f"{name}-service"


def _identity(environment: Environment) -> dict[str, str | None]:
    """What the roles of an environment are limited by."""
    balancer = environment.raw["aws"].get("load_balancer") or {}
    limits = {key: balancer.get(key) for key in ("domain", "hosted_zone_id")}
    return {"name": base_name(environment), **limits}


def _place(environment: Environment) -> tuple[str, str]:
    aws = environment.raw["aws"]
    return str(aws["account_id"]), str(aws.get("region", "us-east-1"))
