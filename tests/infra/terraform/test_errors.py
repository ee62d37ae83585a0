"""Terraform's errors in our words: what is wrong, who holds it, what to do now."""

import json
import re

import pytest

from pipeline.terraform.errors import EXPLANATIONS, Diagnostic, TerraformError, diagnostic

LOCKED = """\
operation error S3: PutObject, https response error StatusCode: 412, PreconditionFailed
Lock Info:
  ID:        6b1c66c5-8f3c-0d1a-9d2b-0c0e7d1f6a11
  Path:      bucket/staging/terraform.tfstate
  Operation: OperationTypeApply
  Who:       anna@laptop
  Version:   1.11.4
  Created:   2026-11-23 10:27:56.123 +0000 UTC
  Info:

Terraform acquires a state lock to protect the state from being written by multiple users at the same time.
"""


def explain(errors: list[Diagnostic], *, name: str) -> TerraformError:
    return TerraformError(errors, name=name, log=None)


def explained(summary: str, detail: str = "") -> tuple[str, str]:
    found = explain([Diagnostic("error", summary, detail)], name="staging")
    return found.cause, found.next_step


def test_a_held_lock_names_holder_time_and_way_out() -> None:
    cause, step = explained("Error acquiring the state lock", LOCKED)
    assert "anna@laptop since 2026-11-23 10:27:56 (Apply" in cause
    assert step.endswith(
        "./inv unlock --environment staging --lock 6b1c66c5-8f3c-0d1a-9d2b-0c0e7d1f6a11"
    )


def test_the_lock_of_an_accounts_preparation_is_reached_by_an_environment_of_it() -> None:
    found = explain(
        [Diagnostic("error", "Error acquiring the state lock", LOCKED)], name="bootstrap"
    )
    assert "./inv unlock --environment NAME --bootstrap --lock 6b1c66c5" in found.next_step


def test_a_lock_that_cannot_be_asked_for_is_no_holder() -> None:
    cause, _ = explained("Error acquiring the state lock", "no route to host")
    assert "could not be locked: no route to host" in cause


@pytest.mark.parametrize(
    ("summary", "detail", "cause", "step"),
    [
        ("Saved plan is stale", "", "the plan is stale", "./inv plan again"),
        ("Error releasing the state lock", "…", "removed or taken by somebody", "./inv plan"),
        ("Failed to save state", "…", "could not be saved", "saves that state first"),
        (
            "Resource postcondition failed",
            "ECS rolled the deployment back: …",
            "old version keeps serving",
            "log lines",
        ),
        (
            "Module output value precondition failed",
            "30 replicas in a rollout need more connections than db.t4g.small offers.",
            "30 replicas in a rollout",
            "correct environments/staging.yaml",
        ),
        ("AWS account ID not allowed: 111122223333", "", "account 111122223333", "aws.account_id"),
        (
            'Failed to get existing workspaces: S3 bucket "x" does not exist.',
            "",
            "bucket for the state",
            "bootstrap",
        ),
        ("No valid credential sources found", "", "no valid AWS credentials", "log in"),
        ("creating X: AccessDenied: User is not authorized", "", "denied", "which action"),
        (
            "updating KMS Key (1): AccessDeniedException: User is not authorized to perform: kms:EnableKeyRotation",
            "",
            "five minutes after the key was made",
            "terraform untaint",
        ),
        (
            "creating Secrets Manager Secret (shop/secret-key): InvalidRequestException: You can't create this secret"
            " because a secret with this name is already scheduled for deletion.",
            "",
            "its name for 30 days",
            "restore-secret",
        ),
        (
            "deleting RDS DB Instance (shop): api error DBSnapshotAlreadyExists: Cannot create the snapshot because a"
            " snapshot with the identifier shop-final-1a2b3c4d already exists.",
            "",
            "the database is not deleted",
            "copy-db-snapshot",
        ),
        (
            'Post "http://127.0.0.1:1/": dial tcp: connection refused',
            "",
            "cannot be reached",
            "network",
        ),
        (
            "deleting RDS: InvalidParameterCombination: Cannot delete, please disable deletion protection",
            "",
            "protected",
            "deletion_protection: false",
        ),
        (
            "timeout while waiting for state to become 'tfSTABLE'",
            "",
            "did not become steady",
            "log lines",
        ),
        (
            "Failed to query available provider packages",
            "",
            "provider could not be installed",
            "TF_PLUGIN_MIRROR",
        ),
        (
            "Failed to write state: cannot overwrite a state of another lineage",
            "",
            "not the one",
            "docs/terraform.md",
        ),
    ],
)
def test_known_errors_have_a_cause_and_a_next_step(
    summary: str, detail: str, cause: str, step: str
) -> None:
    found_cause, found_step = explained(summary, detail)
    assert cause in found_cause
    assert step in found_step


@pytest.mark.parametrize(
    "said",
    [
        "creating IAM Role (x): api error EntityAlreadyExists: Role with name x already exists.",
        "creating S3 Bucket (x): BucketAlreadyOwnedByYou",
        "creating S3 Bucket (x): BucketAlreadyExists",
        "creating RDS DB Parameter Group (x): DBParameterGroupAlreadyExists: exists",
        "creating Security Group (x): api error InvalidGroup.Duplicate: the group",
        "creating Route: RouteAlreadyExists",
        "creating ELBv2 Listener (x): api error DuplicateListener: a listener",
        "creating Route Table Association: Resource.AlreadyAssociated",
        "creating Secrets Manager Secret (x): ResourceExistsException",
    ],
)
def test_what_exists_without_the_state_knowing_names_the_way_out(said: str) -> None:
    found = explain(
        [Diagnostic("error", said, "", 'module.a.aws_x.y["b"]')],
        name="staging",
    )
    assert found.cause.startswith(
        'module.a.aws_x.y["b"] exists, but the state of staging does not know it: an apply was killed'
    )
    assert 'import block to module.a.aws_x.y["b"]' in found.next_step
    assert "docs/terraform.md" in found.next_step


def test_only_a_failure_of_the_service_is_told_as_one() -> None:
    def about_service(summary: str) -> bool:
        return explain([Diagnostic("error", summary, "")], name="staging").about_service

    assert about_service("Resource postcondition failed: ECS rolled the deployment back")
    assert about_service("timeout while waiting for state to become 'tfSTABLE'")
    assert not about_service("creating IAM Role (x): EntityAlreadyExists")
    assert not about_service("Something odd")


def test_a_refused_value_is_told_in_the_modules_own_words() -> None:
    detail = (
        "image.digest is not set: nothing has been released to this environment yet.\n\n"
        "This was checked by the validation rule at modules/settings/variables.tf:37,3-13."
    )
    cause, step = explained("Invalid value for variable", detail)
    assert cause == "image.digest is not set: nothing has been released to this environment yet"
    assert step == "correct environments/staging.yaml"


def test_an_unknown_error_is_repeated_with_its_place() -> None:
    errors = [Diagnostic("error", "Something odd", "", "aws_x.y"), Diagnostic("error", "More", "")]
    found = explain(errors, name="staging")
    assert found.cause == "Something odd (aws_x.y), and 1 more"


def test_silence_is_reported() -> None:
    assert "without an error message" in explain([], name="staging").cause


def test_diagnostics_are_read_from_the_stream() -> None:
    line = {
        "type": "diagnostic",
        "diagnostic": {
            "severity": "error",
            "summary": " Broken ",
            "detail": "why",
            "range": {"filename": "main.tf", "start": {"line": 3}},
        },
    }
    assert diagnostic(json.loads(json.dumps(line))) == Diagnostic(
        "error", "Broken", "why", "main.tf:3"
    )
    assert diagnostic({"type": "apply_start"}) is None


def test_every_explanation_names_only_values_that_there_are() -> None:
    for entry in EXPLANATIONS:
        given = {"name", "file", "reached", "address", "where", "detail"}
        given |= re.compile(entry["pattern"]).groupindex.keys()
        assert set(entry) <= {"pattern", "cause", "next", "service"}
        assert set(re.findall(r"{(\w+)}", entry["cause"] + entry["next"])) <= given, entry
