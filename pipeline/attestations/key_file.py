"""A key pair in files: its public half is committed, its private half is a variable or a file outside the checkout."""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.attestations import keys
from pipeline.attestations.keys import Key
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.releases.project import project

#: The private half (PEM, not encrypted), and the path of a file with it.
VARIABLE, FILE_VARIABLE = "IMAGE_SIGNING_KEY", "IMAGE_SIGNING_KEY_FILE"
MAKE = "make a pair as docs/supply-chain.md says"
UNREADABLE = (OSError, ValueError, TypeError, UnsupportedAlgorithm)


def find(root: Path = ROOT) -> Key:
    """The key of the project; raises PipelineError where its public half cannot be read, or is none of P-256."""
    name = project().signing.public
    try:
        public = serialization.load_pem_public_key((root / name).read_bytes())
    except UNREADABLE as error:
        raise PipelineError(
            f"{name}, the public half of the key that signs images, cannot be read: {error}",
            next_step=f"{MAKE}, and commit its public half as {name}",
        ) from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or not _is_p256(public):
        raise PipelineError(f"{name} is no key of ECDSA over P-256", next_step=MAKE)
    known = keys.der(public)
    return Key(
        name, known, lambda content: _private(name, known, root).sign(content, keys.ALGORITHM)
    )


def given() -> bool:
    """Whether this process has the private half, or the name of a file that should."""
    return any(os.environ.get(name) for name in (VARIABLE, FILE_VARIABLE))


def _private(name: str, public: bytes, root: Path) -> ec.EllipticCurvePrivateKey:
    text, file = (os.environ.get(variable, "") for variable in (VARIABLE, FILE_VARIABLE))
    source = VARIABLE if text else file
    if not source:
        raise PipelineError(
            f"the private half of {name} is not here, so that nothing can be signed",
            next_step=f"set {VARIABLE}, in a workflow as a secret, or {FILE_VARIABLE} to its file",
        )
    if not text and Path(file).resolve().is_relative_to(root.resolve()):
        raise PipelineError(
            f"{file} lies in the checkout, where a commit or an image could take it along",
            next_step=f"move it elsewhere and name that place in {FILE_VARIABLE}",
        )
    try:
        content = text.encode() if text else Path(file).read_bytes()
        private = serialization.load_pem_private_key(content, password=None)
    except UNREADABLE as error:
        raise PipelineError(
            f"the private half of {name} cannot be read from {source}: {error}",
            next_step="give it as PEM (PKCS 8) without a passphrase; cosign's own encrypted format is not read",
        ) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not _is_p256(private.public_key()):
        raise PipelineError(f"{source} is no key of ECDSA over P-256", next_step=MAKE)
    if keys.der(private.public_key()) != public:
        raise PipelineError(
            f"{source} is another key than {name}, so that nobody would trust what it signs",
            next_step=f"give the private half of {name}, or commit the public half of this one",
        )
    return private


def _is_p256(public: ec.EllipticCurvePublicKey) -> bool:
    return isinstance(public.curve, ec.SECP256R1)
