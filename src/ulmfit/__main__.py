"""``python -m ulmfit``."""

import sys

from ulmfit.cli import main

sys.exit(main())
