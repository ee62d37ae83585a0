"""GitHub's roles, with identities checked: staging is planned, applied and destroyed with what their policies allow."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from ruamel.yaml import YAML

from localgithub import identity
from pipeline.aws import localaws
from pipeline.aws.account import Account
from pipeline.core.errors import PipelineError
from pipeline.images import app as appimage
from pipeline.images import push as imagepush
from pipeline.releases import environments
from pipeline.releases.project import project
from pipeline.terraform import roots, state_bucket
from pipeline.terraform import run as terraform
from pipeline.terraform.roots import Root

pytestmark = [pytest.mark.engine, pytest.mark.long]

REPOSITORY = "example/shop"
AUDIENCE = "sts.amazonaws.com"


@pytest.fixture(scope="module")
def checked(running: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The local AWS that asks who somebody is, with an account that is bootstrapped for a GitHub repository."""
    local = Path(tmp_path_factory.mktemp("roles"))
    localaws.start("--auth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roots, "LOCAL", local)
        patch.setattr(environments, "LOCAL", local)
        root = roots.bootstrap_root(
            environments.load("staging"),
            localaws.process_environment(https=True),
            roots.GitHubRepository(REPOSITORY, identity.OWNER_ID, identity.REPOSITORY_ID),
            disposable=True,
        )
        account = Account(localaws.process_environment(), local=True)
        state_bucket.ensure(root.bucket, localaws.REGION, account)
        terraform.apply(terraform.plan(root))
        yield
    localaws.start()


@pytest.fixture(scope="module")
def digest(checked: None) -> str:
    """The application's image, in the account's registry."""
    built = appimage.build()
    registry = f"{localaws.registry()}/{project().name}"
    return imagepush.push(built.image, registry, built.version).digest


def credentials(
    role: str,
    *,
    repository_id: str = identity.REPOSITORY_ID,
    form: str = "immutable",
    **claims: str,
) -> dict[str, str]:
    """What a job with these claims gets for its token, as environment variables."""
    tls = localaws.process_environment(https=True)
    sts = boto3.client(
        "sts",
        endpoint_url=tls["AWS_ENDPOINT_URL"],
        verify=tls["AWS_CA_BUNDLE"],
        region_name=localaws.REGION,
        config=Config(signature_version=UNSIGNED),
    )
    given = sts.assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{localaws.ACCOUNT}:role/github/{project().name}-{role}",
        RoleSessionName="job",
        WebIdentityToken=identity.token(
            REPOSITORY,
            AUDIENCE,
            identity.subject(REPOSITORY, immutable=form == "immutable", **claims),
            repository_id,
        ),
    )["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


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
    credentials("plan", form=form, event="pull_request")
    credentials("apply-staging", form=form, environment="staging")
    for role, claims in (
        ("apply-staging", {"event": "pull_request"}),
        ("apply-staging", {"environment": "production"}),
        ("plan", {"ref": "refs/heads/other"}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            credentials(role, form=form, **claims)


@pytest.mark.parametrize("form", ["immutable", "legacy"])
def test_a_repository_that_got_the_name_later_is_refused(checked: None, form: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        credentials("plan", repository_id="2201", form=form, event="pull_request")


def test_staging_is_made_changed_and_destroyed_with_the_apply_role_and_planned_with_the_plan_role(
    digest: str,
) -> None:
    applying = staging(digest, "apply-staging", environment="staging")
    terraform.apply(terraform.plan(applying))
    reading = staging(digest, "plan", event="pull_request")
    assert not terraform.plan(reading, lock=False).changed
    with pytest.raises(PipelineError, match="not authorized to perform: s3:PutObject"):
        terraform.plan(reading)  # the lock is an object
    terraform.destroy(replace(applying, protected=False))
