"""Keyless signatures: by the workflow on main alone, in the log, and in time; by the library itself."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from pipeline.attestations import keyless, statements, verdict
from pipeline.attestations.keyless import Keyless
from pipeline.attestations.verdict import Expected
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from tests.pipeline import public_log
from tests.pipeline.public_log import Sigstore
from tests.pipeline.test_attestations import HOME, IMAGE, OURS, WHOLE, changed

pytestmark = pytest.mark.usefixtures("job")

WORKFLOW = "owner/shop/.github/workflows/{}.yml@refs/heads/main"
MERGE = {
    "job_workflow_ref": WORKFLOW.format("image"),
    "workflow_ref": WORKFLOW.format("main"),
}
IDENTITY = f"https://github.com/{MERGE['job_workflow_ref']}"
ANOTHER = f"it is signed by another identity than {IDENTITY}"


@pytest.fixture(scope="module")
def sigstore() -> Iterator[Sigstore]:
    with public_log.served() as started:
        yield started


@pytest.fixture
def job(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of the workflow of a merge, which may ask for an identity."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{sigstore.url}/identity?api-version=2.0")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token")
    sigstore.claims, sigstore.late = dict(MERGE), timedelta()


def signed(sigstore: Sigstore) -> bytes:
    """The signature of an image by the job that runs."""
    payload = statements.statement(IMAGE, statements.SIGNATURE, {})
    return Keyless(HOME, sigstore.config).sign(payload)


def judged(sigstore: Sigstore, *contents: bytes) -> list[str]:
    signer = Keyless(HOME, sigstore.config)
    return verdict.judge(contents, signer, IMAGE, Expected(strict=False))


def test_a_release_that_the_workflow_signed_may_be_used(sigstore: Sigstore) -> None:
    signer = Keyless(HOME, sigstore.config)
    contents = [
        signer.sign(statements.statement(IMAGE, kind, predicate))
        for kind, predicate in WHOLE.items()
    ]
    assert verdict.judge(contents, signer, IMAGE, Expected(HOME, "22")) == []
    # Whatever somebody else attaches to it takes nothing away.
    stranger = OURS.sign(statements.statement(IMAGE, statements.SIGNATURE, {}))
    assert verdict.judge([stranger, b"{}", *contents], signer, IMAGE, Expected(HOME, "22")) == []


@pytest.mark.parametrize(
    "claims",
    [
        {name: value.replace("owner/", "thief/") for name, value in MERGE.items()},
        {"job_workflow_ref": WORKFLOW.format("mine")},
        {"workflow_ref": WORKFLOW.format("mine")},
        {name: value.replace("main", "feature") for name, value in MERGE.items()},
        {"iss": "https://gitlab.com"},
    ],
    ids=["repository", "job", "workflow", "branch", "issuer"],
)
def test_another_identity_is_refused(sigstore: Sigstore, claims: dict[str, str]) -> None:
    sigstore.claims = MERGE | claims
    assert judged(sigstore, signed(sigstore)) == [ANOTHER]


def test_a_key_is_another_identity(sigstore: Sigstore) -> None:
    content = OURS.sign(statements.statement(IMAGE, statements.SIGNATURE, {}))
    assert judged(sigstore, content) == [ANOTHER]


def test_a_signature_after_its_certificate_has_ended_is_refused(sigstore: Sigstore) -> None:
    sigstore.late = timedelta(minutes=11)
    assert judged(sigstore, signed(sigstore)) == [
        "its certificate is not Sigstore's, or was not valid when it was signed"
    ]


def test_another_authority_is_refused(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    content = signed(sigstore)
    stranger = Sigstore()
    for trusted in ("certificates", "log"):
        monkeypatch.setattr(stranger, trusted, getattr(sigstore, trusted))
    assert judged(stranger, content) == [
        "its certificate is not Sigstore's, or was not valid when it was signed"
    ]


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "certificates",
            "its signature does not hold: failed to verify SCT on signing certificate",
        ),
        ("log", "its signature does not hold: invalid log entry"),
    ],
)
def test_another_log_is_refused(
    sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch, log: str, reason: str
) -> None:
    content = signed(sigstore)
    monkeypatch.setattr(sigstore, log, public_log.private())
    (refusal,) = judged(sigstore, content)
    assert refusal.startswith(reason)


def without_entry(document: dict[str, Any]) -> None:
    document["verificationMaterial"]["tlogEntries"] = []


def earlier(document: dict[str, Any]) -> None:
    document["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = "1"


def unpromised(document: dict[str, Any]) -> None:
    del document["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_entry, "its signature is in no public log"),
        (earlier, "its certificate is not Sigstore's, or was not valid when it was signed"),
        (unpromised, "its signature does not hold: bundle must contain an inclusion promise"),
    ],
)
def test_what_the_log_does_not_say_is_refused(
    sigstore: Sigstore, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    document = json.loads(signed(sigstore))
    change(document)
    (refusal,) = judged(sigstore, json.dumps(document).encode())
    assert refusal.startswith(reason)


def test_another_images_entry_is_refused(sigstore: Sigstore) -> None:
    """An envelope that the job signed, with the log's entry of another one."""
    first, second = (json.loads(signed(sigstore)) for _ in range(2))
    entries = second["verificationMaterial"]["tlogEntries"]
    first["verificationMaterial"]["tlogEntries"] = entries
    (refusal,) = judged(sigstore, json.dumps(first).encode())
    assert refusal == "its signature does not hold: log entry signatures do not match bundle"


def test_a_statement_that_was_changed_after_it_was_signed_is_refused(sigstore: Sigstore) -> None:
    def other(document: dict[str, Any]) -> None:
        document["predicate"] = {"any": "thing"}

    assert judged(sigstore, changed(signed(sigstore), other)) == [
        "what is attested of it was changed after it was signed"
    ]


@pytest.mark.parametrize(
    "certificate", [None, 1, {"rawBytes": "AAAA"}, {"rawBytes": ""}, {"rawBytes": "{}\n{name}"}]
)
def test_what_is_no_bundle_is_refused_and_breaks_nothing(
    sigstore: Sigstore, certificate: object
) -> None:
    content = signed(sigstore)
    broken = json.loads(content)
    broken["verificationMaterial"]["certificate"] = certificate
    (refusal,) = judged(sigstore, json.dumps(broken).encode())
    assert "\n" not in refusal
    both = [json.dumps(broken).encode(), content]
    trusted, _ = verdict.statements_of(both, Keyless(HOME, sigstore.config), IMAGE)
    assert len(trusted) == 1


def test_a_job_signs_all_with_one_certificate(sigstore: Sigstore) -> None:
    signer = Keyless(HOME, sigstore.config)
    payload = statements.statement(IMAGE, statements.SIGNATURE, {})
    used = {
        json.loads(signer.sign(payload))["verificationMaterial"]["certificate"]["rawBytes"]
        for _ in range(2)
    }
    assert len(used) == 1


def test_nobody_signs_without_a_job(sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    with pytest.raises(PipelineError, match="by a job of GitHub Actions alone"):
        signed(sigstore)


def test_a_job_that_may_not_ask_for_an_identity_is_told_so(
    sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    with pytest.raises(PipelineError, match="Sigstore has not signed: ") as raised:
        signed(sigstore)
    assert "\n" not in raised.value.cause


def test_a_repository_elsewhere_cannot_sign_keyless() -> None:
    assert keyless.find(HOME).name == IDENTITY
    for address in ("", "https://gitlab.com/owner/shop"):
        with pytest.raises(PipelineError, match="is no repository on"):
            keyless.find(address)


def test_the_library_is_imported_where_it_is_chosen_alone() -> None:
    imported = (
        "import sys; from pipeline.attestations import admission; print('sigstore' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", imported],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.strip() == "False"
