"""Who signs an application's images: the one place where ``signing.by`` of ``project.yaml`` is looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline.attestations import bundle, key_file, kms
from pipeline.attestations.keys import Key
from pipeline.aws.account import Account
from pipeline.images import app as app_image
from pipeline.releases.project import project


class Signer(Protocol):
    """Signs statements, and knows its own signatures. ``name`` is what a refusal calls it."""

    @property
    def name(self) -> str: ...

    def sign(self, payload: bytes) -> bytes:
        """The bundle of a statement (JSON); raises PipelineError where it cannot be signed here."""

    def verify(self, content: bytes) -> bytes:
        """The statement of a bundle; raises ValueError with the reason where this signer has not signed it."""


@dataclass(frozen=True)
class ThisMachine:
    """The project's key where its private half is given, else the local KMS's; on this machine both are trusted."""

    project: Key
    local: Key

    @property
    def name(self) -> str:
        return self._used.name

    def sign(self, payload: bytes) -> bytes:
        return self._used.sign(payload)

    def verify(self, content: bytes) -> bytes:
        theirs = bundle.read(content).hint == self.local.hint
        return (self.local if theirs else self.project).verify(content)

    @property
    def _used(self) -> Key:
        return self.project if key_file.given() else self.local


def find(account: Account, repository: str) -> Signer:
    """The signer of a repository's images; raises PipelineError where there is none, or its key may not be used.

    The local AWS has a key in its own KMS, whatever is chosen: nobody's private key or identity is on this machine.
    """
    by = project().signing.by
    if not account.local:
        return CHOICES[by](account, repository)
    local = kms.find(account, repository)
    return ThisMachine(key_file.find(), local) if by == "key" else local


def is_ready(account: Account, repository: str) -> bool:
    """Whether all that bootstrap makes to sign a repository's images is there."""
    asked = account.local or project().signing.by == "kms"
    return not asked or kms.exists(account, repository)


def _keyless(_account: Account, _repository: str) -> Signer:
    from pipeline.attestations import keyless  # noqa: PLC0415 - its library takes a second to import

    return keyless.find(app_image.source())


#: The signer of a real account, by what project.yaml says.
CHOICES: dict[str, Callable[[Account, str], Signer]] = {
    "kms": kms.find,
    "key": lambda _account, _repository: key_file.find(),
    "keyless": _keyless,
}
