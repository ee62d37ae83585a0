"""GitHub's roles, with identities checked: staging is planned, applied and destroyed with what their policies allow."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from ruamel.yaml import YAML

from pipeline.aws import localaws
from pipeline.core.errors import PipelineError
from pipeline.images import app as appimage
from pipeline.images import push as imagepush
from pipeline.releases import environments
from pipeline.releases.project import project
from pipeline.terraform import roots
from pipeline.terraform import run as terraform
from pipeline.terraform.roots import Root
from tests.localaws import roles
from tests.localaws.roles import credentials

pytestmark = [pytest.mark.engine, pytest.mark.long]


@pytest.fixture(scope="module")
def checked(running: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The local AWS that asks who somebody is, with an account that is bootstrapped for a GitHub repository."""
    with pytest.MonkeyPatch.context() as patch:
        roles.bootstrap(patch, Path(tmp_path_factory.mktemp("roles")))
        yield
    localaws.start()


@pytest.fixture(scope="module")
def digest(checked: None) -> str:
    """The application's image, in the account's registry."""
    built = appimage.build()
    registry = f"{localaws.registry()}/{project().name}"
    return imagepush.push(built.image, registry, built.version).digest


def staging(digest: str, role: str, **claims: str) -> Root:
    """Staging's root, worked on with a role's rights alone."""
    environment = environments.resolve(
        environments.load("staging"), digest, environments.plan_folder("staging")
    )
    # All that an environment can have: what the others leave out is asked for as well.
    yaml = YAML()
    document = yaml.load(environment.file.read_text(encoding="utf-8"))
    document["aws"]["load_balancer"]["waf"] = True
    document["aws"]["alarms"] = {"emails": ["alarms@example.org"]}
    yaml.dump(document, environment.file)
    environment = environments.read(environment.file)
    environ = localaws.process_environment(https=True) | credentials(role, **claims)
    return roots.environment_root(environment, environ)


@pytest.mark.parametrize("form", ["immutable", "legacy"])
def test_each_role_is_for_its_jobs_alone(checked: None, form: str) -> None:
    credentials("plan-staging", form=form, event="pull_request")
    credentials("read-staging", form=form, ref="refs/heads/main")
    credentials("apply-staging", form=form, environment="staging")
    for role, claims in (
        ("apply-staging", {"event": "pull_request"}),
        ("apply-staging", {"environment": "production"}),
        # GitHub makes a missing environment without rules, for a job of any branch.
        ("apply-staging", {"environment": "staging", "ref": "refs/heads/other"}),
        ("read-staging", {"environment": "staging", "ref": "refs/heads/other"}),
        ("read-production", {"event": "pull_request"}),
        ("read-staging", {"ref": "refs/heads/other"}),
        ("plan-staging", {"ref": "refs/heads/main"}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            credentials(role, form=form, **claims)


@pytest.mark.parametrize("form", ["immutable", "legacy"])
def test_a_repository_that_got_the_name_later_is_refused(checked: None, form: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        credentials("plan-staging", repository_id="2201", form=form, event="pull_request")


def test_staging_is_made_planned_and_destroyed_with_the_rights_of_its_roles_alone(
    digest: str,
) -> None:
    applying = staging(digest, "apply-staging", environment="staging")
    terraform.apply(terraform.plan(applying))
    # Drift, on the main branch.
    assert not terraform.plan(staging(digest, "read-staging"), lock=False).changed
    reviewing = staging(digest, "plan-staging", event="pull_request")
    assert not terraform.plan(reviewing, lock=False, refresh=False).changed
    text = state(applying)
    for value in values_of_secrets():
        assert value not in text
    with pytest.raises(PipelineError, match="not authorized to perform: s3:PutObject"):
        terraform.plan(reviewing)  # the lock is an object
    terraform.apply(terraform.plan(applying, destroy=True))


def values_of_secrets() -> list[str]:
    """The signing key and the database's password."""
    client = roles.client("secretsmanager")
    values = [
        client.get_secret_value(SecretId=secret["ARN"])["SecretString"]
        for secret in client.list_secrets()["SecretList"]
    ]
    assert len(values) == 2
    return [json.loads(value)["password"] if value.startswith("{") else value for value in values]


def state(root: Root) -> str:
    """The state, which a pull request's plan reads."""
    key = f"{root.name}/terraform.tfstate"
    body = roles.client("s3").get_object(Bucket=root.bucket, Key=key)["Body"]
    return str(body.read().decode())
