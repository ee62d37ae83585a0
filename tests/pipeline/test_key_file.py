"""A key pair in files signs as KMS does; what cannot sign, or would not be trusted, is refused in one line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pipeline.attestations import key_file, kms, signer, statements, verdict
from pipeline.attestations.keys import Key
from pipeline.attestations.verdict import Expected
from pipeline.aws.account import Account
from pipeline.core.errors import PipelineError
from pipeline.releases.project import Project, Signing, project
from tests.pipeline.test_attestations import HOME, IMAGE, OURS, WHOLE, bundles, changed

PEM = serialization.Encoding.PEM
KEY = ec.generate_private_key(ec.SECP256R1())
REAL, LOCAL = (Account({}, local=local) for local in (False, True))


def pem(private: Any, password: bytes = b"") -> bytes:
    protection = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return bytes(private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, protection))


def public(private: Any) -> bytes:
    return bytes(
        private.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the public half of a key, in a shell without its private half."""
    for variable in (key_file.VARIABLE, key_file.FILE_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "signing.pub").write_bytes(public(KEY))
    return root


def test_a_variable_signs_what_the_committed_half_verifies(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(key_file.VARIABLE, pem(KEY).decode())
    contents = bundles(key_file.find(checkout))
    monkeypatch.delenv(key_file.VARIABLE)
    found = key_file.find(checkout)
    assert verdict.judge(contents, found, IMAGE, Expected(HOME, "22")) == []
    assert verdict.judge(bundles(), found, IMAGE, Expected(HOME, "22")) == [
        "it is signed by another key than signing.pub"
    ]


def test_a_file_outside_the_checkout_signs(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = checkout.with_name("signing.key")
    file.write_bytes(pem(KEY))
    monkeypatch.setenv(key_file.FILE_VARIABLE, str(file))
    payload = statements.statement(IMAGE, statements.SIGNATURE, {})
    found = key_file.find(checkout)
    assert found.verify(found.sign(payload)) == payload


@pytest.mark.parametrize(
    ("private", "cause"),
    [
        (b"", "the private half of signing.pub is not here"),
        (b"no key", "cannot be read from IMAGE_SIGNING_KEY"),
        (pem(KEY, b"secret"), "cannot be read from IMAGE_SIGNING_KEY"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "is no key of ECDSA over P-256"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "is no key of ECDSA over P-256"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "is another key than signing.pub"),
    ],
    ids=["none", "nonsense", "encrypted", "P-384", "Ed25519", "another"],
)
def test_a_private_half_that_cannot_sign_is_refused(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, private: bytes, cause: str
) -> None:
    monkeypatch.setenv(key_file.VARIABLE, private.decode())
    with pytest.raises(PipelineError, match=cause) as raised:
        key_file.find(checkout).sign(b"{}")
    assert "\n" not in raised.value.cause
    assert not private or private.decode() not in str(raised.value)


def test_a_private_half_in_the_checkout_is_refused(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = checkout / "signing.key"
    file.write_bytes(pem(KEY))
    monkeypatch.setenv(key_file.FILE_VARIABLE, str(file))
    with pytest.raises(PipelineError, match="lies in the checkout"):
        key_file.find(checkout).sign(b"{}")
    file.unlink()
    monkeypatch.setenv(key_file.FILE_VARIABLE, str(checkout.with_name("gone")))
    with pytest.raises(PipelineError, match=r"cannot be read from .*gone"):
        key_file.find(checkout).sign(b"{}")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "cannot be read"),
        (b"no key", "cannot be read"),
        (public(ec.generate_private_key(ec.SECP384R1())), "is no key of ECDSA over P-256"),
        (public(ed25519.Ed25519PrivateKey.generate()), "is no key of ECDSA over P-256"),
    ],
    ids=["none", "nonsense", "P-384", "Ed25519"],
)
def test_a_public_half_that_cannot_verify_is_refused(
    checkout: Path, content: bytes | None, cause: str
) -> None:
    file = checkout / "signing.pub"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PipelineError, match=cause) as raised:
        key_file.find(checkout)
    assert "\n" not in raised.value.cause


@pytest.fixture
def choose(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Project]:
    """Chooses the signer, in a checkout with a public half and beside a local KMS."""
    ours = key_file.find(checkout)
    monkeypatch.setattr(key_file, "find", lambda: ours)
    monkeypatch.setattr(kms, "find", lambda *_: OURS)

    def chosen(by: str) -> Project:
        named = replace(project(), signing=Signing(by))
        monkeypatch.setattr(signer, "project", lambda: named)
        return named

    return chosen


def test_a_real_account_has_the_chosen_signer_alone(
    choose: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/shop")
    monkeypatch.setattr(kms, "exists", lambda *_: False)
    names = {
        "key": "signing.pub",
        "keyless": f"{HOME}/.github/workflows/image.yml@refs/heads/main",
    }
    for by, name in names.items():
        choose(by)
        assert signer.find(REAL, IMAGE.repository).name == name
        assert signer.is_ready(REAL, IMAGE.repository), "bootstrap makes nothing for it"
        assert not signer.is_ready(LOCAL, IMAGE.repository), "the local AWS has its own key"
    choose("kms")
    assert not signer.is_ready(REAL, IMAGE.repository)


@pytest.mark.parametrize("by", ["kms", "key", "keyless"])
def test_this_machine_signs_by_its_own_kms_whatever_is_chosen(
    choose: Callable[[str], Project], by: str
) -> None:
    choose(by)
    found = signer.find(LOCAL, IMAGE.repository)
    payload = statements.statement(IMAGE, statements.SIGNATURE, {})
    assert OURS.verify(found.sign(payload)) == payload
    assert found.verify(found.sign(payload)) == payload


def test_this_machine_signs_by_the_projects_key_where_it_is_given(
    choose: Callable[[str], Project], checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("key")
    found = signer.find(LOCAL, IMAGE.repository)
    earlier = bundles(found)
    monkeypatch.setenv(key_file.VARIABLE, pem(KEY).decode())
    by_key = bundles(found)
    assert isinstance(project_key := key_file.find(), Key)
    assert verdict.judge(by_key, project_key, IMAGE, Expected(HOME, "22")) == []
    for contents in (earlier, by_key):
        assert verdict.judge(contents, found, IMAGE, Expected(HOME, "22")) == []
    stranger = changed(by_key[0], lambda document: document.update(predicate=WHOLE))
    assert verdict.judge([stranger], found, IMAGE, Expected(strict=False)) == [
        "what is attested of it was changed after it was signed"
    ]
