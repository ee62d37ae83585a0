"""The one required check: a job that failed, or was skipped by accident, must not pass as green."""

import json

import pytest

from pipeline.commands import gate as command
from pipeline.core.errors import PipelineError
from pipeline.github import gate


def context(stages: list[str], **results: str) -> str:
    jobs = {name: {"result": result, "outputs": {}} for name, result in results.items()}
    decider = {"result": "success", "outputs": {"stages": json.dumps(stages)}}
    return json.dumps({"affected": decider, **jobs})


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (context(["lint", "test"], lint="success", test="success"), []),
        (context(["lint"], lint="success", test="skipped"), []),
        (context(["lint", "test"], lint="success", test="skipped"), ["test"]),
        (context(["lint", "test"], lint="failure", test="success"), ["lint"]),
        (context(["lint"], lint="cancelled"), ["lint"]),
        (context(["lint"], lint="failure", test="skipped"), ["lint"]),
        (
            json.dumps(
                {
                    "affected": {"result": "failure", "outputs": {}},
                    "lint": {"result": "skipped", "outputs": {}},
                }
            ),
            ["affected", "lint"],
        ),
    ],
)
def test_what_is_refused(text: str, refused: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDS", text)
    assert [job.name for job in gate.judge() if not job.accepted] == refused
    if refused:
        with pytest.raises(PipelineError, match="not mergeable"):
            command.run()
    else:
        command.run()


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "{}", '{"lint": {"result": "success"}}'),
        '{"affected": {"result": "success"}}',
        '{"affected": {"result": "success", "outputs": {"stages": "["}}}',
    ],
)
def test_results_that_cannot_be_read_are_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDS", text)
    with pytest.raises(PipelineError, match="the results of the jobs cannot be read"):
        gate.judge()
