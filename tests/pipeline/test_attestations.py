"""What may be released: every way in which an image's attestations can be wrong is refused by its name."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.attestations import bundle, keys, statements, verdict
from pipeline.attestations.keys import Key
from pipeline.attestations.signer import Signer
from pipeline.attestations.verdict import Expected
from pipeline.images.app import Record
from pipeline.releases.image_reference import ImageReference

HOME = "https://github.com/owner/shop"
IMAGE = ImageReference("123456789012.dkr.ecr.us-east-1.amazonaws.com/shop", f"sha256:{'a' * 64}")
OTHER = replace(IMAGE, digest=f"sha256:{'b' * 64}")
RELEASED = Expected(HOME, "22")
THIS_MACHINE = Expected(strict=False)
SCANNED = {"name": "grype", "state": "passed", "note": "", "findings": []}


def key(name: str) -> Key:
    """A key pair that signs as KMS and a key of a file do."""
    private = ec.generate_private_key(ec.SECP256R1())
    return Key(
        name, keys.der(private.public_key()), lambda content: private.sign(content, keys.ALGORITHM)
    )


OURS, STRANGER = key("ours"), key("his")


def provenance(**changes: Any) -> dict[str, Any]:
    workflow = {"repository": HOME, "path": verdict.WORKFLOW, "ref": verdict.BRANCH}
    own_id, version = changes.pop("repository_id", "22"), changes.pop("version", "0.0.0-g1")
    return {
        "buildDefinition": {
            "externalParameters": {"workflow": workflow | changes},
            "internalParameters": {"version": version, "github": {"repository_id": own_id}},
        }
    }


def scan(**changes: Any) -> dict[str, Any]:
    return {"scanner": {"result": SCANNED | changes}}


WHOLE: dict[str, dict[str, Any]] = {
    statements.SIGNATURE: {},
    statements.PROVENANCE: provenance(),
    statements.BILL: {"components": [{"name": "flask"}]},
    statements.SCAN: scan(),
}


def bundles(
    signer: Signer = OURS, image: ImageReference = IMAGE, **predicates: dict[str, Any] | None
) -> list[bytes]:
    """All that is attested of a release; by the last word of a kind's name another predicate, or None for none."""
    chosen = {
        kind: predicates.get(verdict.CHECKS[kind][0].split()[0], WHOLE[kind]) for kind in WHOLE
    }
    return [
        signer.sign(statements.statement(image, kind, predicate))
        for kind, predicate in chosen.items()
        if predicate is not None
    ]


def judged(contents: list[bytes], expected: Expected = RELEASED) -> list[str]:
    return verdict.judge(contents, OURS, IMAGE, expected)


def changed(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A bundle whose statement was changed after it was signed."""
    whole = json.loads(content)
    document = json.loads(bundle.read(content).payload)
    change(document)
    whole["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(document).encode()).decode()
    return json.dumps(whole).encode()


def test_a_release_that_main_built_scanned_and_signed_may_be_used() -> None:
    assert judged(bundles()) == []
    # Whatever somebody else attaches to it takes nothing away.
    assert judged([*bundles(STRANGER), b"{}", *bundles()]) == []


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        ([], "it is not signed"),
        (bundles(STRANGER), "it is signed by another key than ours"),
        (bundles(image=OTHER), f"its attestation is of another image ({OTHER.digest})"),
        (bundles(signature=None), "it has no signature"),
        (bundles(provenance=None), "it has no provenance"),
        (bundles(bill=None), "it has no bill of materials"),
        (bundles(scan=None), "it has no scan result"),
        (bundles(bill={"components": []}), "its bill of materials lists nothing"),
        (
            bundles(scan=scan(findings=[{"rule": "CVE-2026-1", "fails": True}], state="findings")),
            "its scan found CVE-2026-1",
        ),
        (
            bundles(scan=scan(state="NOT CHECKED", note="no database")),
            "its vulnerabilities were NOT CHECKED: no database",
        ),
        (
            bundles(provenance=provenance(repository="https://github.com/thief/shop", repository_id="9")),
            "it was built by another repository, https://github.com/thief/shop",
        ),
        (
            bundles(provenance=provenance(version="0.0.0-g1-dirty-a")),
            "it was built from a work tree that no commit has (0.0.0-g1-dirty-a)",
        ),
        (
            # By our key, with another program.
            bundles(provenance={"buildDefinition": {"externalParameters": {"workflow": {}}}}),
            "its provenance is not as ./inv push writes it",
        ),
        (bundles(scan={"scanner": []}), "its scan result is not as ./inv push writes it"),
        (
            bundles(provenance=provenance(ref="refs/heads/feature")),
            f"it was built by {verdict.WORKFLOW} on refs/heads/feature,"
            f" not by {verdict.WORKFLOW} on {verdict.BRANCH}",
        ),
        (
            bundles(provenance=provenance(path=".github/workflows/mine.yml")),
            f"it was built by .github/workflows/mine.yml on {verdict.BRANCH},"
            f" not by {verdict.WORKFLOW} on {verdict.BRANCH}",
        ),
    ],
)  # fmt: skip
def test_an_attack_is_refused_by_its_name(contents: list[bytes], reason: str) -> None:
    assert judged(contents) == [reason]


def test_a_bill_that_was_changed_after_it_was_signed_is_refused() -> None:
    def add(document: dict[str, Any]) -> None:
        document["predicate"]["components"].append({"name": "malware"})

    *others, bill, scanned = bundles()
    reasons = judged([*others, changed(bill, add), scanned])
    assert reasons == [
        "it has no bill of materials",
        "what is attested of it was changed after it was signed",
    ]


def test_a_renamed_repository_is_known_by_its_id() -> None:
    renamed = replace(RELEASED, repository="https://github.com/owner/store")
    assert judged(bundles(), renamed) == []
    # Where GitHub's id is not known, as on a laptop, the address decides.
    assert judged(bundles(), replace(renamed, repository_id="")) == [
        f"it was built by another repository, {HOME}"
    ]


def test_this_machine_runs_its_own_builds_where_nothing_could_be_scanned() -> None:
    own = bundles(provenance={"buildDefinition": {"externalParameters": {}}}, bill=None, scan=None)
    assert judged(own, THIS_MACHINE) == []
    assert judged(own) == [
        "it was built on somebody's machine, not by the workflow of main",
        "it has no bill of materials",
        "it has no scan result",
    ]
    assert judged([], THIS_MACHINE) == ["it is not signed"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        b'{"dsseEnvelope": 1}',
        b'{"dsseEnvelope": {"payloadType": "text/plain\\n::stop-commands::x"}}',
        OURS.sign(b"[]"),
        OURS.sign(b'{"subject": []}'),
        OURS.sign(b'{"subject": [{"digest": {"sha256": 1}}]}'),
        OURS.sign(b"[" * 100_000),
    ],
)
def test_what_is_no_signed_statement_is_refused_and_breaks_nothing(content: bytes) -> None:
    (reason,) = judged([content])
    assert "\n" not in reason
    assert judged([content, *bundles()]) == []


def test_a_workflow_attests_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "owner/shop",
        "GITHUB_REPOSITORY_ID": "22",
        "GITHUB_WORKFLOW_REF": f"owner/shop/{verdict.WORKFLOW}@{verdict.BRANCH}",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_RUN_ID": "7",
    }.items():
        monkeypatch.setenv(name, value)
    record = Record(
        "shop:1", "sha256:1", "1", "c" * 40, "2026-01-01T00:00:00Z", 1, 1.0, "base", False
    )
    built = statements.provenance(record)
    assert judged(bundles(provenance=built)) == []
    (source, base) = built["buildDefinition"]["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": "c" * 40}
    assert base["uri"] == "base"
    assert built["runDetails"]["metadata"]["invocationId"] == f"{HOME}/actions/runs/7"
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert judged(bundles(provenance=statements.provenance(record))) == [
        "it was built on somebody's machine, not by the workflow of main"
    ]
