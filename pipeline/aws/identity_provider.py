"""GitHub's identity provider in an AWS account, of which there can be one alone."""

from pipeline.aws.account import Account
from pipeline.core.errors import PipelineError
from pipeline.releases.project import project

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"


def is_shared(account: Account) -> bool:
    """Whether the account has it from somebody else: bootstrap's own bears the project's tag.

    Raises PipelineError where it does not take AWS's audience, so that no role could be assumed.
    """
    iam = account.client("iam")
    listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    arn = next((each["Arn"] for each in listed if each["Arn"].endswith(f"/{ISSUER}")), None)
    if arn is None:
        return False
    provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    tags = {tag["Key"]: tag["Value"] for tag in provider.get("Tags", [])}
    if tags.get("Application") == project().name:
        return False
    if AUDIENCE not in provider["ClientIDList"]:
        raise PipelineError(
            f"the account's identity provider {ISSUER} does not take the audience {AUDIENCE}",
            next_step="aws iam add-client-id-to-open-id-connect-provider "
            f"--open-id-connect-provider-arn {arn} --client-id {AUDIENCE}",
        )
    return True
