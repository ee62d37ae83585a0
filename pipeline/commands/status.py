"""Shows what is live on each target, for people and as JSON."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

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
    age = console.span(timedelta(seconds=state.age)) if state.age is not None else ""
    return name, state.url, revision, image, str(state.replicas), age, health
