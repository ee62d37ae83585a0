"""Signatures without a key of one's own: by the identity of the workflow, in Sigstore's public log (sigstore-python).

Whatever is verified, the library verifies: certificate, its time and its log, the entry in Rekor, the envelope.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from sigstore import dsse, errors, oidc
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.sign import Signer, SigningContext
from sigstore.verify import Verifier, policy

from pipeline.attestations import bundle
from pipeline.attestations.verdict import BRANCH, WORKFLOW
from pipeline.core.errors import PipelineError

ISSUER = "https://token.actions.githubusercontent.com"
GITHUB = "https://github.com/"
#: Where the job that signs is written, which the workflow of a merge calls.
JOB = ".github/workflows/image.yml"
ANOTHER = "it is signed by another identity than"
#: How the library's words begin, and ours.
WORDS = {
    "expected certificate in bundle": ANOTHER,
    "Certificate": ANOTHER,
    "expected exactly one log entry": "its signature is in no public log",
    "failed to build timestamp certificate chain": "its certificate is not Sigstore's,"
    " or was not valid when it was signed",
    "DSSE: invalid signature": "what is attested of it was changed after it was signed",
}


@cache
def production() -> ClientTrustConfig:
    """Sigstore's public services and their keys, as its TUF repository has them now; raises PipelineError."""
    try:
        return ClientTrustConfig.production()
    except errors.Error as error:
        raise PipelineError(
            f"Sigstore's keys cannot be read: {_line(error)}",
            next_step="check the network (https://tuf-repo-cdn.sigstore.dev), and try again",
        ) from error


@dataclass(frozen=True)
class Keyless:
    """Signs as the job that runs, and trusts the workflow on main of one repository (its address on GitHub)."""

    repository: str
    config: Callable[[], ClientTrustConfig] = production

    @property
    def name(self) -> str:
        """The identity that Fulcio writes into the certificate of a job of a reusable workflow."""
        return f"{self.repository}/{JOB}@{BRANCH}"

    def sign(self, payload: bytes) -> bytes:
        """The bundle of a statement; raises PipelineError where no job of a workflow runs, or Sigstore refuses."""
        try:
            return self._signer.sign_dsse(dsse.Statement(payload)).to_json().encode()
        except PipelineError:
            raise
        except Exception as error:  # the library's clients raise what their private modules define
            raise PipelineError(
                f"Sigstore has not signed: {_line(error)}",
                next_step="look at https://status.sigstore.dev and run the job again",
            ) from error

    def verify(self, content: bytes) -> bytes:
        """The statement of a bundle; raises ValueError with the reason where the workflow has not signed it."""
        bundle.read(content)
        trusted = policy.AllOf(
            [
                policy.OIDCIssuerV2(ISSUER),
                policy.Identity(identity=self.name),
                policy.OIDCBuildConfigURI(f"{self.repository}/{WORKFLOW}@{BRANCH}"),
            ]
        )
        try:
            kind, payload = self._verifier.verify_dsse(Bundle.from_json(content), trusted)
        except PipelineError:
            raise
        except Exception as error:  # whatever a stranger attaches is refused, and breaks nothing
            words = _line(error)
            ours = (text for start, text in WORDS.items() if words.startswith(start))
            reason = next(ours, f"its signature does not hold: {words}")
            raise ValueError(f"{reason} {self.name}" if reason is ANOTHER else reason) from error
        if kind != bundle.PAYLOAD_TYPE:
            raise ValueError("what is attached to it is no signed statement")
        return payload

    @cached_property
    def _signer(self) -> Signer:
        """One certificate for all statements of a push: it is good for ten minutes."""
        token = oidc.detect_credential()
        if token is None:
            raise PipelineError(
                "no identity to sign with: keyless signatures are made by a job of GitHub Actions alone",
                next_step="merge to main, whose workflow signs; its job needs `id-token: write`",
            )
        context = SigningContext.from_trust_config(self.config())
        return Signer(oidc.IdentityToken(token), context)

    @cached_property
    def _verifier(self) -> Verifier:
        return Verifier(trusted_root=self.config().trusted_root)


def find(repository: str) -> Keyless:
    """The signer of a repository's address; raises PipelineError where it is none on GitHub."""
    if not repository.startswith(GITHUB):
        raise PipelineError(
            f"{repository or 'this checkout'} is no repository on github.com, whose workflow would sign keyless",
            next_step="set the checkout's origin to it, or choose `signing.by: kms` or `key` in project.yaml",
        )
    return Keyless(repository)


def _line(error: Any) -> str:
    """An error's text, or its cause's, in one line of printable characters: parts of it may be a stranger's."""
    text = " ".join((str(error) or str(error.__cause__ or type(error).__name__)).split())
    return "".join(letter for letter in text if letter.isprintable())[:240]
