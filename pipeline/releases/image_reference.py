"""The name of an image: a repository and the digest of its manifest."""

import re
from dataclasses import dataclass

from pipeline.core.errors import PipelineError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
#: Stands for an image where none was released: HCL and chart want one.
PLACEHOLDER = f"sha256:{'0' * 64}"


def require_digest(text: str) -> None:
    """Raises PipelineError unless the text is ``sha256:`` and 64 hex digits."""
    if not DIGEST.fullmatch(text):
        raise PipelineError(
            f"{text!r} is not an image digest",
            next_step="use sha256: and 64 hex digits, as ./inv push prints",
        )


@dataclass(frozen=True)
class ImageReference:
    """An image by digest; a tag can move, a digest cannot. Raises PipelineError for another digest."""

    repository: str
    digest: str

    def __post_init__(self) -> None:
        require_digest(self.digest)

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"

    @property
    def short(self) -> str:
        """The digest as people compare it: its first 12 hex digits."""
        return self.digest.removeprefix("sha256:")[:12]
