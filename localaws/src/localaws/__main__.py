"""``python -m localaws``: the command without its script."""

import sys

from localaws.cli import main

sys.exit(main())
