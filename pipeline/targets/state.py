"""What a target runs now, in the same words for each."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.targets.web import Via


@dataclass(frozen=True)
class State:
    """What a target runs now.

    ``image`` is the reference that runs (repository@digest; a local tag for compose); ``version`` is what the
    application answers; ``healthy`` means that every wanted replica runs that image and the URL is ready.
    ``revision`` is the commit that is live and ``wanted_revision`` the one in Git, ``age`` the seconds since the last
    deployment; None where that is not known. ``via`` is how the URL is reached.
    """

    url: str
    image: str
    version: str
    healthy: bool
    replicas: int
    revision: str | None = None
    wanted_revision: str | None = None
    age: int | None = None
    via: Via | None = None

    def runs(self, digest: str) -> bool:
        """Whether every replica runs the digest, and the URL is ready."""
        return self.healthy and self.image.partition("@")[2] == digest

    def as_json(self) -> dict[str, Any]:
        """The object of the ``status --json`` contract."""
        fields = asdict(self)
        del fields["via"]
        return fields


def disagreement(states: Mapping[str, State | None]) -> str:
    """What each engine runs where their digests differ, in words; empty where they agree."""
    digests = {
        name: state.image.partition("@sha256:")[2][:12]
        for name, state in states.items()
        if state and "@sha256:" in state.image
    }
    differ = len(set(digests.values())) > 1
    return ", ".join(f"{name} runs {digest}" for name, digest in digests.items()) if differ else ""


def seconds_since(moment: datetime | str) -> int:
    """Whole seconds from a moment (in ISO 8601 where it is text) until now."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return int((datetime.now(UTC) - moment).total_seconds())
