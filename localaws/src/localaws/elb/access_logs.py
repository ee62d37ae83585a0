"""The check of a bucket that a load balancer is to write its access logs to, which AWS makes when they are switched on.
Follows https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
"""

from typing import Any

from localaws import emulator
from localaws.emulator import alb, iam_evaluator, responses, s3

_WRITER = "logdelivery.elasticloadbalancing.amazonaws.com"


def install() -> None:
    emulator.wrap(alb, "_modify_lb_attrs", _modify)


def _modify(original: Any, params: Any) -> Any:
    given = {
        alb._p(params, f"Attributes.member.{number}.Key"): alb._p(
            params, f"Attributes.member.{number}.Value"
        )
        for number in range(1, len(params))
    }
    bucket, prefix = given.get("access_logs.s3.bucket", ""), given.get("access_logs.s3.prefix", "")
    arn = alb._p(params, "LoadBalancerArn")
    if given.get("access_logs.s3.enabled") == "true" and not _writable(bucket, prefix, arn):
        message = f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
        return alb._error("InvalidConfigurationRequest", message)
    return original(params)


def _writable(bucket: str, prefix: str, arn: str) -> bool:
    """Whether the bucket's policy lets the writer in, which is known by the load balancer's ARN; keys of KMS do not."""
    account, region = responses.get_account_id(), responses.get_region()
    folder = f"{prefix}/AWSLogs" if prefix else "AWSLogs"
    context = iam_evaluator.EvalContext(
        principal_arn=_WRITER,
        principal_type="AWSService",
        principal_account="",
        action="s3:PutObject",
        resource_arn=f"arn:aws:s3:::{bucket}/{folder}/{account}/elasticloadbalancing/log",
        region=region,
        secure_transport=True,
        service_context={"aws:sourcearn": arn},
    )
    policy = s3._bucket_policies.get(bucket)
    verdict = iam_evaluator.evaluate_resource_policy(policy, context, service=_WRITER)
    return verdict.decision == "Allow" and "aws:kms" not in (
        s3._bucket_encryption.get(bucket) or ""
    )
