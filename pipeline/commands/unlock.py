"""Removes the lock on a Terraform state whose holder is dead."""

from pipeline.aws import account as aws
from pipeline.commands import Result
from pipeline.releases import environments
from pipeline.terraform import roots, state_bucket
from pipeline.terraform import run as terraform


def run(environment_name: str, lock: str, *, of_bootstrap: bool = False) -> Result:
    environment = environments.load(environment_name)
    account = aws.account(environment)
    of = roots.bootstrap_root if of_bootstrap else roots.environment_root
    root = of(environment, account.environ)
    if not state_bucket.is_locked(root, account):
        return Result(f"the state of {root.name} is not locked")
    terraform.unlock(root, lock)
    return Result(f"the state of {root.name} is free")
