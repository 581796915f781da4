"""What can go wrong by somebody else's doing."""


class InputError(ValueError):
    """What the user gave cannot be used: one sentence that names the place, the value and the fix.

    The command line prints it and leaves with code 2; nothing has been written by then.
    """


class DecodeError(ValueError):
    """What a venue sent is nothing that it may send: one sentence that names the value."""
