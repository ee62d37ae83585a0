"""Where the application can run: each target says what it runs now, in the same words."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class State:
    """What a target runs now.

    ``image`` is the reference that runs (repository@digest; a local tag for compose); ``version`` is what the
    application says of itself; ``healthy`` means that every wanted replica runs that image and the URL is ready.
    ``revision`` is the commit that is live and ``wanted_revision`` the one in Git, ``age`` the seconds since the last
    deployment; None where that is not known.
    """

    url: str
    image: str
    version: str
    healthy: bool
    replicas: int
    revision: str | None = None
    wanted_revision: str | None = None
    age: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The object of the ``status --json`` contract."""
        return asdict(self)


def seconds_since(moment: datetime) -> int:
    """Whole seconds from a moment until now."""
    return int((datetime.now(UTC) - moment).total_seconds())
