"""The one exception for anything the person at the terminal can mend."""


class UserError(Exception):
    """Bad input, said in one line: what is wrong, where, and what would mend it.

    The command line prints it without a traceback and exits with ``status``.
    """

    status = 1
