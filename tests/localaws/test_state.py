"""The lock of a state: one that nobody holds is no failure."""

from pathlib import Path

import pytest

from pipeline.aws import localaws
from pipeline.aws.account import Account
from pipeline.commands import unlock
from pipeline.core.errors import PipelineError
from pipeline.releases import environments
from pipeline.terraform import roots, state_bucket

pytestmark = pytest.mark.engine


def test_a_state_that_is_free_needs_no_unlock(
    running: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roots, "LOCAL", tmp_path)
    account = Account(localaws.process_environment(), local=True)
    root = roots.environment_root(environments.load("local"), account.environ)
    state_bucket.ensure(root.bucket, root.region, account)
    assert unlock.run("local", "6b1c66c5").headline == "the state of local is not locked"
    key = f"{roots.state_key(root)}.tflock"
    account.client("s3").put_object(Bucket=root.bucket, Key=key, Body=b'{"ID": "another"}')
    with pytest.raises(PipelineError, match="held by lock another, not by 6b1c66c5"):
        unlock.run("local", "6b1c66c5")
