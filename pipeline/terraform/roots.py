"""A root module and all that it needs to run: where its state lies, its variables, its way to AWS."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.paths import LOCAL, TERRAFORM
from pipeline.releases.environments import Environment
from pipeline.terraform import cli as terraform_cli

APPLICATION = "ecs-saas-app"


@dataclass(frozen=True)
class Root:
    """A root module with what it needs to run: where its state lies, its variables, and the environment variables
    that lead to AWS (or to the local AWS; Terraform does not know the difference)."""

    name: str
    folder: Path
    bucket: str
    region: str
    variables: Mapping[str, str]
    environ: Mapping[str, str]
    protected: bool = False

    @property
    def home(self) -> Path:
        """Where this root's files on this machine lie."""
        return LOCAL / "terraform" / self.name

    @property
    def state_key(self) -> str:
        """The state's name in the bucket."""
        return f"{self.name}/terraform.tfstate"


def state_bucket(account_id: str, region: str) -> str:
    """The name of the bucket that bootstrap manages."""
    return f"{APPLICATION}-state-{account_id}-{region}"


def environment_root(environment: Environment, environ: Mapping[str, str] | None = None) -> Root:
    """The root of an environment; its file is the one desired state."""
    aws = environment.raw["aws"]
    region = str(aws.get("region", "us-east-1"))
    return Root(
        name=environment.name,
        folder=TERRAFORM,
        bucket=state_bucket(str(aws["account_id"]), region),
        region=region,
        variables={"environment_file": str(environment.file)},
        environ=dict(os.environ if environ is None else environ),
        protected=bool(aws.get("deletion_protection", True)),
    )


def bootstrap_root(
    environment: Environment,
    environ: Mapping[str, str] | None = None,
    repository: str | None = None,
    *,
    disposable: bool = False,
) -> Root:
    """The root that prepares the account of an environment.

    Args:
        repository: The GitHub repository (``owner/name``) whose workflows get roles.
        disposable: Everything in it may be destroyed, as in a local account, which is thrown away as a whole.
    """
    aws = environment.raw["aws"]
    account_id, region = str(aws["account_id"]), str(aws.get("region", "us-east-1"))
    variables = {"account_id": account_id, "region": region}
    if disposable:
        variables["disposable"] = "true"
    if repository:
        variables["github_repository"] = repository
    return Root(
        name="bootstrap",
        folder=TERRAFORM / "bootstrap",
        bucket=state_bucket(account_id, region),
        region=region,
        variables=variables,
        environ=dict(os.environ if environ is None else environ),
        protected=not disposable,
    )


def environ(root: Root) -> dict[str, str]:
    """The environment variables that Terraform runs with."""
    result = {
        name: value
        for name, value in root.environ.items()
        # Arguments, workspaces and variables from outside would change what a plan means.
        if not name.startswith(("TF_CLI_ARGS", "TF_VAR_", "TF_WORKSPACE", "TF_CLI_CONFIG_FILE"))
    }
    configuration = terraform_cli.configuration(root.environ)
    if configuration:
        result["TF_CLI_CONFIG_FILE"] = str(configuration)
    result |= {
        "TF_DATA_DIR": str(root.home / "data"),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
    }
    return result


def backend(root: Root) -> list[str]:
    """What ``terraform init`` is told about the state.

    Nothing of encryption: the bucket encrypts with our own key what says nothing, while ``encrypt=true`` without a key
    asks for one of S3's.
    """
    return [
        f"-backend-config=bucket={root.bucket}",
        f"-backend-config=key={root.state_key}",
        f"-backend-config=region={root.region}",
        "-backend-config=use_lockfile=true",
    ]


def init_key(root: Root) -> str:
    """What init depends on: lock file, module calls, where the state lies and how it is reached."""
    parts = backend(root)
    parts += [
        f"{name}={root.environ.get(name)}" for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
    ]
    parts.append(str(terraform_cli.configuration(root.environ)))
    digest = hashlib.sha256("\0".join(parts).encode())
    for file in [*sorted(root.folder.glob("*.tf")), root.folder / ".terraform.lock.hcl"]:
        digest.update(file.read_bytes())
    for module in sorted((TERRAFORM / "modules").glob("*")):
        digest.update(module.name.encode())
    return digest.hexdigest()


def source_key(root: Root) -> str:
    """What a plan depends on apart from the state: all HCL, the variables, and the files that variables name."""
    digest = hashlib.sha256()
    for file in sorted(TERRAFORM.rglob("*.tf")):
        digest.update(str(file.relative_to(TERRAFORM)).encode())
        digest.update(file.read_bytes())
    for name, value in sorted(root.variables.items()):
        digest.update(f"\0{name}={value}".encode())
        if name.endswith("_file"):
            digest.update(Path(value).read_bytes())
    return digest.hexdigest()
