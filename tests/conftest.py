"""Settings of every test run."""

import os

from pipeline.git import repository as git

# Git sets these for its hooks: from a hook, a test's own `git` would work on the user's repository.
for name in set(os.environ) - set(git.environment()):
    del os.environ[name]
