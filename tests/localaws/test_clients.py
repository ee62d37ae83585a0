"""Clients that are not ours read what `./inv push` attaches to an image: cosign, oras and buildx, built from source."""

import json
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pipeline.attestations import admission, bundle, key_file, keys, kms, signer, statements
from pipeline.aws import registry
from pipeline.aws.account import Account
from pipeline.core.tools import tool
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.project import Signing, project
from tests.localaws.test_signatures import RECORD, account, image, new_key, point, repository
from tests.pipeline.public_log import ISSUER, Sigstore
from tests.pipeline.test_attestations import IMAGE
from tests.pipeline.test_keyless import IDENTITY, job, signed, sigstore

pytestmark = [pytest.mark.engine, pytest.mark.long]

__all__ = ["account", "image", "job", "sigstore"]


@pytest.fixture
def public(account: Account, tmp_path: Path) -> Path:
    """The signing key's public half, as `aws kms get-public-key` and openssl write it."""
    file = tmp_path / "images.pub"
    file.write_bytes(pem(kms.find(account, repository())))
    return file


def pem(key: keys.Key) -> bytes:
    return serialization.load_der_public_key(key.public).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool(name), *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_cosign_verifies_what_we_signed_and_refuses_what_we_did_not(
    account: Account, image: ImageReference, public: Path
) -> None:
    place = str(replace(image, repository=registry.reached(account, image.repository)[0]))
    options = ("--key", public, "--insecure-ignore-tlog", place)
    unsigned = run("cosign", "verify", *options)
    assert unsigned.returncode != 0
    admission.attest(account, image, RECORD)
    signed = run("cosign", "verify", *options)
    assert signed.returncode == 0, signed.stderr
    built = run("cosign", "verify-attestation", "--type", "slsaprovenance1", *options)
    assert built.returncode == 0, built.stderr
    assert image.digest.removeprefix("sha256:") in built.stdout + built.stderr
    own = account.client("kms").describe_key(KeyId=kms.find(account, repository()).name)
    try:
        point(account, new_key(account))
        stranger = kms.find(account, repository())
    finally:
        point(account, own["KeyMetadata"]["KeyId"])
    other = public.with_name("stranger.pub")
    other.write_bytes(pem(stranger))
    refused = run("cosign", "verify", "--key", other, "--insecure-ignore-tlog", place)
    assert refused.returncode != 0


def test_cosign_verifies_what_the_projects_own_key_signed(
    account: Account, image: ImageReference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`signing.by: key`: by openssl as docs/supply-chain.md says, and by the committed file."""
    private, committed = tmp_path / "signing.key", tmp_path / "checkout" / "signing.pub"
    committed.parent.mkdir()
    for command in (
        f"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {private}",
        f"pkey -in {private} -pubout -out {committed}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True, timeout=30)
    chosen = replace(project(), signing=Signing("key"))
    for module in (signer, key_file):
        monkeypatch.setattr(module, "project", lambda: chosen)
    monkeypatch.setattr(key_file, "find", partial(key_file.find, committed.parent))
    place = str(replace(image, repository=registry.reached(account, image.repository)[0]))
    options = ("--key", committed, "--insecure-ignore-tlog", place)
    monkeypatch.setenv(key_file.FILE_VARIABLE, str(private))
    admission.attest(account, image, RECORD)
    signed = run("cosign", "verify", *options)
    assert signed.returncode == 0, signed.stderr
    # Whoever has no private half verifies all the same, as other environments' jobs do.
    monkeypatch.delenv(key_file.FILE_VARIABLE)
    admission.require(account, image)


@pytest.mark.usefixtures("job")
def test_cosign_verifies_what_a_job_signed_and_refuses_another_identity(
    sigstore: Sigstore, tmp_path: Path
) -> None:
    (tmp_path / "bundle.json").write_bytes(signed(sigstore))
    (tmp_path / "root.json").write_text(sigstore.trusted_root(), encoding="utf-8")
    answers = [
        run(
            *("cosign", "verify-blob-attestation", "--bundle", tmp_path / "bundle.json"),
            *("--trusted-root", tmp_path / "root.json", "--type", statements.SIGNATURE),
            *("--digest", IMAGE.digest.removeprefix("sha256:"), "--digestAlg", "sha256"),
            *("--certificate-oidc-issuer", ISSUER, "--certificate-identity", identity),
        )
        for identity in (IDENTITY, IDENTITY.replace("image", "mine"))
    ]
    assert answers[0].returncode == 0, answers[0].stderr
    assert answers[1].returncode != 0
    assert "expected SAN value" in answers[1].stderr


def test_oras_lists_what_is_attached(account: Account, image: ImageReference) -> None:
    admission.attest(account, image, RECORD)
    place = str(replace(image, repository=registry.reached(account, image.repository)[0]))
    listed = run("oras", "discover", "--plain-http", "--format=json", place)
    assert listed.returncode == 0, listed.stderr
    referrers = json.loads(listed.stdout)["referrers"]
    assert {each["artifactType"] for each in referrers} == {bundle.TYPE}
    kinds = {each["annotations"]["dev.sigstore.bundle.predicateType"] for each in referrers}
    assert kinds == {statements.SIGNATURE, statements.PROVENANCE}


def test_buildx_reads_each_bundle_that_is_attached(account: Account, image: ImageReference) -> None:
    admission.attest(account, image, RECORD)
    place = replace(image, repository=registry.reached(account, image.repository)[0])
    listed = run("oras", "discover", "--plain-http", "--format=json", str(place))
    assert listed.returncode == 0, listed.stderr
    for each in json.loads(listed.stdout)["referrers"]:
        attached = str(replace(place, digest=each["digest"]))
        shown = run("buildx", "imagetools", "inspect", "--raw", attached)
        assert shown.returncode == 0, shown.stderr
        manifest = json.loads(shown.stdout)
        assert manifest["subject"]["digest"] == image.digest
        assert [layer["mediaType"] for layer in manifest["layers"]] == [bundle.TYPE]
