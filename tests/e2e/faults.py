"""Versions that no probe finds bad, or that never become ready, for the tests of what takes them back."""

from typing import NamedTuple

from tests.e2e.checkout import Checkout


class Fault(NamedTuple):
    """A fault in ``app.py``, and the requests a second that four of its workers bear.

    ``code`` is run after each request, before it is answered; ``alarm`` is a pattern of ECS's alarms that see it.
    """

    rate: float
    alarm: str
    code: str
    start: str = ""


#: None is seen by a probe in time. Four workers answer what is slow: more than two requests a second would wait.
FAULTS = {
    "errors": Fault(
        5,
        "errors",
        "if request.path == '/':\n        response.status_code = 500 if random.random() < 0.2 else 200",
    ),
    "latency": Fault(1, "latency", "if request.path == '/':\n        time.sleep(2)"),
    # Each request keeps 40 MB of the 512 that a task or pod has: it gets slow, and the kernel ends its processes.
    "memory": Fault(
        5,
        "(unanswered|latency)",
        "if request.path == '/':\n        kept.append(random.randbytes(40_000_000))",
        start="kept = []",
    ),
    # gunicorn's first process, which loads the application before its workers.
    "crash": Fault(5, "unanswered", "pass", start="threading.Timer(30, os._exit, (1,)).start()"),
    # Only users ask for it, not a canary's judge.
    "page": Fault(
        5,
        "",
        "if request.path == '/new':\n        response.status_code = 500",
    ),
    # No figure shows it while few people do it; the smoke test does.
    "claim": Fault(
        5,
        "",
        "if request.path.endswith('/claim'):\n        response.status_code = 500",
    ),
}


def plant(checkout: Checkout, fault: str) -> None:
    """Edits the clone's application so that it has the fault."""
    checkout.edit(
        "app/app.py",
        r"^app = create_app\(\)",
        "import os\nimport random\nimport threading\nimport time\n\nfrom flask import request\n\n"
        f"app = create_app()\n{FAULTS[fault].start}\n\n\n"
        f"@app.after_request\ndef fault(response):\n    {FAULTS[fault].code}\n    return response\n",
    )


def never_ready(checkout: Checkout) -> None:
    """Edits the clone's application so that it says for ever that it is not ready."""
    view = "app/thanksgiving/views/system.py"
    checkout.edit(view, r'_plain\("ready"\)', '_plain("not yet", 503)')


def failing_migration(checkout: Checkout) -> None:
    """Edits the clone's application so that its schema cannot be brought up to date."""
    checkout.edit("app/thanksgiving/migrate.py", r"^import time$", 'sys.exit("no such table")')
