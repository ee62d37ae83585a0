"""A key pair that signs images: ECDSA over P-256 with SHA-256, what AWS KMS and cosign make by default."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.attestations import bundle

ALGORITHM = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True)
class Key:
    """A signing key: its name, its public half (DER), and what signs content by the private half (ASN.1 DER)."""

    name: str
    public: bytes
    signature: Callable[[bytes], bytes]

    @property
    def hint(self) -> str:
        """The key's fingerprint as bundles name it: the SHA-256 of its public half, in Base64, as cosign writes it."""
        return base64.b64encode(hashlib.sha256(self.public).digest()).decode()

    def sign(self, payload: bytes) -> bytes:
        """The bundle of a statement; raises PipelineError where the private half cannot be used."""
        signature = self.signature(bundle.signed_bytes(payload))
        return bundle.write(bundle.Bundle(payload, signature, self.hint))

    def verify(self, content: bytes) -> bytes:
        """The statement of a bundle; raises ValueError with the reason where this key has not signed it."""
        signed = bundle.read(content)
        if signed.hint != self.hint:
            raise ValueError(f"it is signed by another key than {self.name}")
        loaded = serialization.load_der_public_key(self.public)
        if not isinstance(loaded, ec.EllipticCurvePublicKey):
            raise TypeError(f"{self.name} is of another kind than ECDSA over P-256")
        try:
            loaded.verify(signed.signature, bundle.signed_bytes(signed.payload), ALGORITHM)
        except InvalidSignature as error:
            raise ValueError("what is attested of it was changed after it was signed") from error
        return signed.payload


def der(public: ec.EllipticCurvePublicKey) -> bytes:
    """A public half as ``Key`` keeps it."""
    return public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
