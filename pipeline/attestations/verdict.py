"""What is wrong with what is attested of an image: each reason by its name, in one line."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.attestations import statements
from pipeline.attestations.signer import Signer
from pipeline.releases.image_reference import ImageReference
from pipeline.scanners import findings

#: The workflow that builds what is released, and the branch that it runs on.
WORKFLOW, BRANCH = ".github/workflows/main.yml", "refs/heads/main"


@dataclass(frozen=True)
class Expected:
    """What a release must have been built by, and looked at for.

    ``repository`` is the address of the one whose workflow on main builds releases; ``repository_id``, GitHub's id of
    it, outlives a new name. This machine's own account takes its own builds, also where they could not be scanned: it
    is not ``strict``.
    """

    repository: str = ""
    repository_id: str = ""
    strict: bool = True


def judge(
    contents: Iterable[bytes], signer: Signer, image: ImageReference, expected: Expected
) -> list[str]:
    """What is wrong with the bundles of an image; empty where it may be used. One good one of each kind is enough."""
    trusted, wrong = statements_of(contents, signer, image)
    if not trusted:
        return wrong or ["it is not signed"]
    reasons = []
    for kind, (name, _, always) in CHECKS.items():
        if not (always or expected.strict):
            continue
        faults = [fault for _, fault in judged(trusted, kind, expected)]
        if not faults:
            reasons += [f"it has no {name}", *wrong]
        elif all(faults):
            reasons.append(faults[0])
    return list(dict.fromkeys(reasons))


def statements_of(
    contents: Iterable[bytes], signer: Signer, image: ImageReference
) -> tuple[list[dict[str, Any]], list[str]]:
    """The statements that the signer signed about the image, and what is wrong with all others."""
    trusted: list[dict[str, Any]] = []
    wrong = []
    for content in contents:
        try:
            trusted.append(_statement(content, signer, image))
        except ValueError as error:
            wrong.append(str(error))
    return trusted, list(dict.fromkeys(wrong))


def judged(
    trusted: list[dict[str, Any]], kind: str, expected: Expected
) -> list[tuple[dict[str, Any], str]]:
    """The predicate of each trusted statement of a kind, and what is wrong with it; an empty text for a good one."""
    found = [each["predicate"] for each in trusted if each["predicateType"] == kind]
    return [(predicate, _fault(kind, predicate, expected)) for predicate in found]


def _fault(kind: str, predicate: dict[str, Any], expected: Expected) -> str:
    name, check, _ = CHECKS[kind]
    try:
        return check(predicate, expected)
    except (KeyError, TypeError, AttributeError):  # signed by our signer, and not by ./inv push
        return f"its {name} is not as ./inv push writes it"


def _statement(content: bytes, signer: Signer, image: ImageReference) -> dict[str, Any]:
    """The statement of a bundle; raises ValueError with the reason where it is not to be trusted."""
    payload = signer.verify(content)
    try:
        document: dict[str, Any] = json.loads(payload)
        digest = str(document["subject"][0]["digest"]["sha256"])
        _ = document["predicateType"], document["predicate"]
    except (KeyError, IndexError, TypeError, RecursionError) as error:
        raise ValueError("what is attested of it is no statement about an image") from error
    if image.digest != f"sha256:{digest}":
        raise ValueError(f"its attestation is of another image (sha256:{digest})")
    return document


def _built(predicate: dict[str, Any], expected: Expected) -> str:
    if not expected.strict:
        return ""
    definition = predicate["buildDefinition"]
    workflow = definition["externalParameters"].get("workflow")
    if workflow is None:
        return "it was built on somebody's machine, not by the workflow of main"
    version = definition["internalParameters"]["version"]
    if "-dirty-" in version:
        return f"it was built from a work tree that no commit has ({version})"
    own_id = definition["internalParameters"]["github"]["repository_id"]
    if own_id and expected.repository_id:
        same = own_id == expected.repository_id
    else:
        same = workflow["repository"] == expected.repository
    if not same:
        return f"it was built by another repository, {workflow['repository']}"
    if (workflow["path"], workflow["ref"]) != (WORKFLOW, BRANCH):
        return f"it was built by {workflow['path']} on {workflow['ref']}, not by {WORKFLOW} on {BRANCH}"
    return ""


def _scanned(predicate: dict[str, Any], _expected: Expected) -> str:
    result = predicate["scanner"]["result"]
    if result["state"] == findings.NOT_CHECKED:
        return f"its vulnerabilities were NOT CHECKED: {result['note']}"
    failing = [each["rule"] for each in result["findings"] if each["fails"]]
    return f"its scan found {', '.join(failing)}" if failing else ""


Check = Callable[[dict[str, Any], Expected], str]
#: What must be attested: its name, what must be true of it, and whether of builds for this machine alone, too.
CHECKS: dict[str, tuple[str, Check, bool]]
CHECKS = {
    statements.SIGNATURE: ("signature", lambda _predicate, _expected: "", True),
    statements.PROVENANCE: ("provenance", _built, True),
    statements.BILL: (
        "bill of materials",
        lambda bill, _: "" if bill.get("components") else "its bill of materials lists nothing",
        False,
    ),
    statements.SCAN: ("scan result", _scanned, False),
}
