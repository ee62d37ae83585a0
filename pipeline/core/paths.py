"""Where things lie. All state that a run creates is under ``.local`` or in the cache, never in the source folders."""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LOCAL = ROOT / ".local"
LOGS = LOCAL / "logs"
#: The reports of tasks. What a test of this checkout runs is no part of its job's: tests/conftest.py sets the variable,
#: for the programs that tests start as well. In another checkout, whose path it is not, tasks report as always.
REPORTS = LOCAL / ("test-reports" if os.environ.get("TESTED_CHECKOUT") == str(ROOT) else "reports")
ENVIRONMENTS = ROOT / "environments"
TERRAFORM = ROOT / "infra" / "terraform"
#: The one chart: the folder in infra/helm with a Chart.yaml.
CHART = next(
    (ROOT / "infra" / "helm").glob("*/Chart.yaml"), ROOT / "infra/helm/chart/Chart.yaml"
).parent
VENV_BIN = LOCAL / "venv" / "bin"
BUILD_RECORD = LOCAL / "build.json"

#: Expensive builds that outlive a clone, keyed by what they are built from.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "delivery"

#: The checkout whose servers, clusters and locks are used: this one; a job of a workflow that another checkout runs on
#: this machine uses that one's, as jobs on GitHub use one cloud.
HOST = Path(os.environ.get("PIPELINE_HOST") or ROOT)
ENGINES = HOST / ".local"

#: Eight hex digits that tell the host checkout from another one on the same machine.
CHECKOUT_ID = hashlib.sha256(str(HOST).encode()).hexdigest()[:8]

#: The name of the host checkout's local cluster, also for Docker and for kind.
CLUSTER = f"kubernetes-{CHECKOUT_ID}"

#: Docker label on everything that this checkout starts; ``./inv down`` removes by it.
CHECKOUT_LABEL = "delivery.checkout"


def log_file(name: str) -> Path:
    """The log of one step, ``.local/logs/<name>.log``; its folder exists afterwards."""
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{name}.log"


def shown(path: Path) -> str:
    """A path as a user wants to read it: relative to the repository where it lies inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
