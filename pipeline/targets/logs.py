"""A line of the application's output and an event of its engine, in the same words for each target."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

#: A line of Docker's log, and of kubectl's, with times.
TIMED = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT[\d:]+)(?P<fraction>\.\d+)?\S* (?P<text>.*)")
#: Characters of a replica's name that are shown, its last ones.
SHOWN = 8


@dataclass(frozen=True, order=True)
class Line:
    """A line of output, by time (UTC) and replica."""

    time: datetime
    replica: str
    text: str

    def __str__(self) -> str:
        return self.shown()

    def shown(self, fields: Collection[str] = ()) -> str:
        """The line as it is printed; of a JSON line only ``fields`` where there are any."""
        return f"{self.time:%H:%M:%S} {self.replica[-SHOWN:]} {printable(told(self.text, fields))}"


@dataclass(frozen=True, order=True)
class Event:
    """What an engine says happened to an object (a service, task, pod or container), by time (UTC)."""

    time: datetime
    about: str
    reason: str
    message: str


def printable(text: str) -> str:
    """Text without what a terminal would obey: each such character as Python writes it."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def told(text: str, fields: Collection[str] = ()) -> str:
    """A JSON line as level, message and the other fields, without its time; any other line as it is.

    With ``fields``: those of them that a JSON line has, if it has any.
    """
    try:
        found = json.loads(text)
    except ValueError:
        return text
    if not isinstance(found, dict):
        return text
    if picked := [f"{name}={found[name]}" for name in fields if name in found]:
        return " ".join(picked)
    if "message" not in found:
        return text
    level, message = found.pop("level", ""), found.pop("message")
    rest = (f"{name}={value}" for name, value in found.items() if name not in ("time", "logger"))
    return " ".join(filter(None, (str(level), str(message), *rest)))


def timed(replica: str, line: str) -> Iterator[Line]:
    """The line that begins with its time in RFC 3339; none where it does not."""
    if match := TIMED.fullmatch(line):
        fraction = (match["fraction"] or ".0")[:7]
        time = datetime.fromisoformat(f"{match['time']}{fraction}").replace(tzinfo=UTC)
        yield Line(time, replica, match["text"])
