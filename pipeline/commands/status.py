"""Shows what is live on each target, for people and as JSON."""

import json
from concurrent.futures import ThreadPoolExecutor

from pipeline import targets
from pipeline.commands import Result
from pipeline.core import console
from pipeline.releases import environments
from pipeline.targets.state import State, disagreement

#: Enough of an image's name to tell two digests apart.
SHOWN_OF_IMAGE = 40


def run(*, as_json: bool) -> Result:
    """Prints what runs where; raises PipelineError when a target that is up cannot be asked."""
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    with ThreadPoolExecutor() as pool:
        observed = pool.map(lambda target: target.observe(local), targets.TARGETS.values())
        states = dict(zip(targets.TARGETS, observed, strict=True))
    if as_json:
        live = {name: state.as_json() if state else None for name, state in states.items()}
        return Result(json.dumps({"targets": live}))
    headings = ("target", "url", "revision", "image", "replicas", "age", "health")
    console.table(headings, [_row(name, state) for name, state in states.items()])
    if differing := disagreement(states):
        console.warn(f"{differing}: ./inv plan, ./inv apply and ./inv sync bring both to one image")
    return Result("")


def _row(name: str, state: State | None) -> tuple[str, ...]:
    if state is None:
        return (name, "[dim]not up[/]")
    live, wanted = (state.revision or "unknown")[:7], (state.wanted_revision or "")[:7]
    revision = live if wanted in ("", live) else f"{live}, in Git {wanted}"
    image = state.image.rpartition("/")[2][:SHOWN_OF_IMAGE]
    health = "[green]healthy[/]" if state.healthy else "[red]not healthy[/]"
    return name, state.url, revision, image, str(state.replicas), _age(state.age), health


def _age(seconds: int | None) -> str:
    """A time span in its largest unit: ``40 s``, ``12 min``, ``3 h``, ``5 d``."""
    if seconds is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
