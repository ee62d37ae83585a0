"""Versions that no probe finds bad, or that never become ready, for the tests of what takes them back."""

from typing import NamedTuple

from tests.e2e.checkout import Checkout


class Fault(NamedTuple):
    """What a version does to ``/`` before it answers, and the requests a second that four of its workers bear."""

    rate: float
    code: str


#: Neither is seen by a probe. Four workers answer what is slow: more than two requests a second would wait.
FAULTS = {
    "errors": Fault(5, "response.status_code = 500 if random.random() < 0.2 else 200"),
    "latency": Fault(1, "time.sleep(2)"),
}


def plant(checkout: Checkout, fault: str) -> None:
    """Edits the clone's application so that it has the fault."""
    checkout.edit(
        "app/app.py",
        r"^app = create_app\(\)",
        "import random\nimport time\n\nfrom flask import request\n\napp = create_app()\n\n\n"
        "@app.after_request\ndef fault(response):\n"
        f"    if request.path == '/':\n        {FAULTS[fault].code}\n    return response\n",
    )


def never_ready(checkout: Checkout) -> None:
    """Edits the clone's application so that it says for ever that it is not ready."""
    view = "app/thanksgiving/views/system.py"
    checkout.edit(view, r'_plain\("ready"\)', '_plain("not yet", 503)')
