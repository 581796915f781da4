"""The one error a user can cause."""


class InputError(ValueError):
    """What the user gave cannot be used: one sentence that names the place, the value and the fix.

    The command line prints it and leaves with code 2; nothing has been written by then.
    """
