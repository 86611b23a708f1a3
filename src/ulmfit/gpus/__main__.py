"""``python -m ulmfit.gpus``."""

import sys

from ulmfit.gpus.launcher import main

sys.exit(main())
