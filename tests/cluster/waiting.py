"""Waiting for what another process does, and no longer than said."""

import time


def wait_until(probe, what, seconds=60, every=0.2):
    """The first true value of ``probe``; a TimeoutError that names ``what`` after ``seconds``."""
    end = time.monotonic() + seconds
    while not (value := probe()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(every)
    return value
