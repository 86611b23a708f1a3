"""``python -m ulmfit``."""

import atexit
import gc
import sys

from ulmfit.cli import main

# At its end Python looks for cycles of garbage in all that was imported. It goes with the process.
atexit.register(gc.freeze)
sys.exit(main())
