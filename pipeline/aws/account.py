"""The AWS account of an environment: the real one that the credentials name, or the local one."""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.session import Session as BotocoreSession

from pipeline.aws import localaws
from pipeline.core.errors import PipelineError
from pipeline.releases.environments import Environment

#: Seconds; short, so that an unreachable API is reported soon.
CONNECT_SECONDS = 5
READ_SECONDS = 30


@dataclass(frozen=True)
class Account:
    """An AWS account by the process environment that leads Terraform and others to it."""

    environ: Mapping[str, str]
    local: bool

    def client(self, service: str) -> Any:
        """A client of the account: what ``boto3.client`` returns, without the time that importing boto3 takes."""
        own = BotocoreSession(session_vars=_deaf_variables() if self.local else None)
        own.register_component("data_loader", _loader(own.get_config_variable("data_path")))
        return own.create_client(
            service,
            region_name=self.environ.get("AWS_REGION"),
            aws_access_key_id=self.environ.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=self.environ.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=self.environ.get("AWS_SESSION_TOKEN"),
            endpoint_url=self.environ.get("AWS_ENDPOINT_URL") if self.local else None,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"max_attempts": 3, "mode": "standard"},
                proxies={} if self.local else None,
            ),
        )


@functools.cache
def _loader(path: str | None) -> Loader:
    """What AWS's services are like, read once: each session by itself would read it again for each client."""
    return create_loader(path)


def is_local(environment: Environment) -> bool:
    """Whether the environment uses the local AWS: ``local`` always, any other when LOCAL_AWS=1 (a rehearsal)."""
    return environment.name == "local" or os.environ.get("LOCAL_AWS") == "1"


def account(environment: Environment) -> Account:
    """The account, ready for use; the local AWS is started, or started again when its settings have changed."""
    if is_local(environment):
        localaws.start()
    return _account(environment)


def existing_account(environment: Environment) -> Account | None:
    """As ``account``, but starts nothing: None when the local AWS does not run."""
    if is_local(environment) and not localaws.running():
        return None
    return _account(environment)


def refusal(error: Exception) -> PipelineError | None:
    """What AWS refused, or why it did not answer, as an error with a next step; None for what is no error of AWS's."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        why = str(said.get("Message") or said.get("Code")).rstrip(".")
        return PipelineError(
            f"AWS refused {error.operation_name}: {why}",
            next_step="use a role that may do this, or ask for the right that is named",
        )
    if isinstance(error, BotoCoreError):
        return PipelineError(
            f"AWS does not answer: {str(error).rstrip('.')}",
            next_step="check the network and the region",
        )
    return None


def _deaf_variables() -> dict[str, tuple[str | None, None, Any, Any]]:
    """botocore's settings by name, read from no variable and no file of the user's: defaults alone."""
    settings = {
        name: (key, None, default, cast)
        for name, (key, _, default, cast) in BotocoreSession.SESSION_VARIABLES.items()
    }
    files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return settings | files


def _account(environment: Environment) -> Account:
    aws = environment.raw["aws"]
    expected, name = str(aws["account_id"]), str(aws.get("region") or localaws.REGION)
    region = {"AWS_REGION": name, "AWS_DEFAULT_REGION": name}  # whatever the shell says
    if is_local(environment):
        # There the key's id names the account: each environment has its own.
        return Account(
            localaws.process_environment() | {"AWS_ACCESS_KEY_ID": expected} | region, local=True
        )
    account = Account({**os.environ, **region}, local=False)
    try:
        actual = account.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        given = ", ".join(sorted(name for name in os.environ if name.startswith("AWS_")))
        raise PipelineError(
            f"no AWS credentials for {environment.name} ({error}; set are: {given or 'none'})",
            next_step="log in (AWS_PROFILE …), or rehearse on the local AWS with LOCAL_AWS=1",
        ) from error
    if actual != expected:
        raise PipelineError(
            f"the AWS credentials are of account {actual}, {environment.name} is in {expected}",
            next_step="use the credentials of that account",
        )
    return account
