"""What a session of ECS Exec leaves out: where the command's output begins and ends, and its exit code.

The plugin returns 0 whatever the command did (https://github.com/aws/session-manager-plugin/issues/59).
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

#: Runs in the container, which has Python and need not have a shell; a signal's code is a shell's, 128 and its number.
LAUNCHER = (
    "import shutil,subprocess,sys; mark,*argv=sys.argv[1:]; print(mark,flush=True); "
    "code=subprocess.call(argv) if shutil.which(argv[0]) else "
    "print(argv[0]+': not found',flush=True) or 127; "
    "print(mark,code if code>=0 else 128-code,flush=True)"
)


def launched(command: Sequence[str], mark: str) -> str:
    """The line for ExecuteCommand; the agent splits it in words as a shell would, and runs it without one."""
    return shlex.join(["python", "-c", LAUNCHER, mark, *command])


@dataclass
class Reader:
    """Passes on the lines between the two marks; ``code`` is the command's exit code once it has ended."""

    on_line: Callable[[str], None]
    mark: str = field(default_factory=lambda: f"exec-{uuid4().hex}")
    code: int | None = None
    begun: bool = False

    def take(self, line: str) -> None:
        text, marked, rest = line.rstrip("\r\n").partition(self.mark)
        if not self.begun:
            self.begun = bool(marked)
        elif self.code is None:
            # The last line of a command may have no end.
            if text or not marked:
                self.on_line(text)
            if marked:
                self.code = int(rest)
