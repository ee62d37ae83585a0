"""What Terraform's errors mean and what to do about them, in one line each."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning of Terraform; ``where`` is the resource's address or the place in a file, or empty."""

    severity: str
    summary: str
    detail: str
    where: str = ""


@dataclass(frozen=True)
class Explanation:
    """A cause and a next step in our own words. ``service`` means that what runs on ECS tells more."""

    cause: str
    next_step: str
    service: bool = False


class TerraformError(PipelineError):
    """Terraform failed; ``about_service`` when the service on ECS did not become steady."""

    def __init__(self, errors: Sequence[Diagnostic], *, name: str, log: Path | None) -> None:
        explained = explain(errors, name=name)
        super().__init__(explained.cause, next_step=explained.next_step, log=log)
        self.about_service = explained.service


#: Makes the explanation of a diagnostic whose pattern matched, for the root of that name.
Describe = Callable[[Diagnostic, re.Match[str], str], Explanation]


def diagnostic(message: Mapping[str, Any]) -> Diagnostic | None:
    """The diagnostic in one line of ``terraform … -json``, or None when it is another message."""
    found = message.get("diagnostic")
    if message.get("type") != "diagnostic" or not isinstance(found, dict):
        return None
    place = found.get("range") or {}
    where = found.get("address") or (
        f"{place['filename']}:{place['start']['line']}" if place else ""
    )
    return Diagnostic(
        severity=str(found.get("severity", "")),
        summary=str(found.get("summary", "")).strip(),
        detail=str(found.get("detail", "")).strip(),
        where=str(where),
    )


def explain(errors: Sequence[Diagnostic], *, name: str) -> Explanation:
    """Explains the first error that has an explanation, else repeats the first one.

    Args:
        name: The environment (or ``bootstrap``) that was worked on.
    """
    for error in errors:
        text = f"{error.summary}\n{error.detail}"
        for pattern, describe in _KNOWN:
            match = re.search(pattern, text, re.IGNORECASE)
            if match:
                return describe(error, match, name)
    if not errors:
        return Explanation("Terraform ended without saying why", "read the log")
    first = errors[0]
    where = f" ({first.where})" if first.where else ""
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return Explanation(f"{_one_line(first.summary)}{where}{more}", "read the log")


def lock_holder(text: str) -> dict[str, str]:
    """The fields of the ``Lock Info:`` block in Terraform's message (ID, Path, Operation, Who, Version, Created)."""
    block = text.partition("Lock Info:")[2]
    return {
        key: value.strip()
        for key, value in re.findall(
            r"^\s*(ID|Path|Operation|Who|Version|Created):(.*)$", block, re.M
        )
    }


def _locked(error: Diagnostic, _match: re.Match[str], name: str) -> Explanation:
    held = lock_holder(error.detail)
    if not held.get("ID"):
        return Explanation(
            f"the state of {name} could not be locked: {_one_line(error.detail)}",
            "check that the bucket can be reached, then run this again",
        )
    since = held.get("Created", "").split(".")[0]
    # Bootstrap is reached by way of an environment of its account.
    whose = "NAME --bootstrap" if name == "bootstrap" else name
    return Explanation(
        f"the state of {name} is locked by {held.get('Who', 'somebody')} since {since} "
        f"({held.get('Operation', '').removeprefix('OperationType')}, lock {held['ID']})",
        "wait for that run to end; only if it is dead (cancelled or killed), "
        f"./inv unlock --environment {whose} --lock {held['ID']}",
    )


def _stale(_error: Diagnostic, _match: re.Match[str], name: str) -> Explanation:
    return Explanation(
        f"the plan is stale: the state of {name} has changed since it was made",
        "run ./inv plan again and read the new plan",
    )


def _unlock_failed(_error: Diagnostic, _match: re.Match[str], name: str) -> Explanation:
    return Explanation(
        f"the lock on the state of {name} was removed or taken by somebody while this run held it",
        "make sure that nobody else applies, then run ./inv plan: it shows what is left to do",
    )


def _not_saved(_error: Diagnostic, _match: re.Match[str], name: str) -> Explanation:
    return Explanation(
        f"the new state of {name} could not be saved in its bucket; it is kept under .local/terraform",
        "mend the connection or the rights and run ./inv plan: it saves that state first",
    )


def _rolled_back(error: Diagnostic, _match: re.Match[str], _name: str) -> Explanation:
    return Explanation(
        "ECS rolled the deployment back: the new tasks did not become healthy, the old version keeps serving",
        "read the new tasks' last log lines, mend the image and deploy again",
        service=True,
    )


def _not_steady(_error: Diagnostic, _match: re.Match[str], name: str) -> Explanation:
    return Explanation(
        f"the service of {name} did not become steady in time",
        "read the tasks' last log lines; the old version, if there was one, keeps serving",
        service=True,
    )


def _exists(error: Diagnostic, _match: re.Match[str], name: str) -> Explanation:
    address = error.where or "ADDRESS"
    # Not the command terraform import: it refuses for_each over what a plan would only make.
    return Explanation(
        f"{error.where or _one_line(error.summary)} exists, but the state of {name} does not know it: an apply was "
        "killed before it had saved its state, or somebody else has made it",
        f"if it is ours, take it over with a Terraform import block to {address} as docs/terraform.md shows, then "
        f"./inv plan --environment {name}",
    )


def _wrong_account(_error: Diagnostic, match: re.Match[str], name: str) -> Explanation:
    return Explanation(
        f"these credentials belong to account {match.group(1)}, and {name} is to be applied to another",
        f"log in to the right account, or correct aws.account_id in environments/{name}.yaml",
    )


def _refused_value(error: Diagnostic, _match: re.Match[str], name: str) -> Explanation:
    lines = [
        line
        for line in error.detail.splitlines()
        if line and "checked by the validation" not in line
    ]
    return Explanation(_one_line(" ".join(lines)).rstrip("."), f"correct environments/{name}.yaml")


def _fixed(cause: str, next_step: str) -> Describe:
    def describe(_error: Diagnostic, _match: re.Match[str], name: str) -> Explanation:
        return Explanation(cause.format(name=name), next_step.format(name=name))

    return describe


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


#: Pattern in summary and detail, and what it means; the first that matches counts.
_KNOWN: tuple[tuple[str, Describe], ...] = (
    (r"error acquiring the state lock", _locked),
    (r"error releasing the state lock|failed to unlock", _unlock_failed),
    (r"saved plan is stale|plan file can no longer be applied", _stale),
    (r"failed to (save|persist) state|errored\.tfstate", _not_saved),
    (r"ECS rolled the deployment back", _rolled_back),
    (r"AWS account ID not allowed: (\d+)", _wrong_account),
    (r"invalid value for (input )?variable", _refused_value),
    (
        r"S3 bucket .* does not exist|NoSuchBucket",
        _fixed(
            "the bucket for the state does not exist", "run ./inv bootstrap once for this account"
        ),
    ),
    (
        r"no valid credential sources|ExpiredToken|InvalidClientTokenId|UnrecognizedClient",
        _fixed("there are no valid AWS credentials", "log in to AWS, then run this again"),
    ),
    (
        r"AccessDenied|UnauthorizedOperation|not authorized to perform",
        _fixed(
            "AWS denied a request",
            "read in the log which action was denied, and use a role that may",
        ),
    ),
    (
        r"connection refused|no such host|dial tcp|i/o timeout",
        _fixed(
            "the AWS API cannot be reached", "check the network (./inv status for the local AWS)"
        ),
    ),
    (
        r"waiting for ECS Service .* (create|update).*timeout|timeout while waiting for state to become 'tfSTABLE'",
        _not_steady,
    ),
    (
        r"already ?(exists|associated|owned ?by ?you)|ResourceExists|\.Duplicate\b"
        r"|Duplicate(Listener|LoadBalancerName|TargetGroupName|Record|Item)",
        _exists,
    ),
    (
        r"deletion protection|DeletionProtection|cannot be deleted.*protected|OperationNotPermitted",
        _fixed(
            "{name} is protected against deletion",
            "set aws.deletion_protection: false in environments/{name}.yaml and apply that first",
        ),
    ),
    (
        r"lineage|serial.*(newer|greater)|cannot import state",
        _fixed(
            "the state in the bucket is not the one that this state continues",
            "compare the versions of the object in the bucket; docs/terraform.md tells how to restore one",
        ),
    ),
    (
        r"failed to query available provider packages|could not connect to registry|no package for",
        _fixed(
            "the AWS provider could not be installed",
            "check the network, or name a mirror's folder with TF_PLUGIN_MIRROR",
        ),
    ),
)
