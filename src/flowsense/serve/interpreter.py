"""What a process that serves asks of Python: that threads give way soon, and no pause for garbage.

A look at all objects takes a tenth of a second in a process as large as this, and stops every
thread. What is there before the first event stays until the end, so it is left out of such looks.
"""

import gc
import sys

SWITCH = 0.0001  # seconds that the loop and the engine keep the interpreter from each other


class Interpreter:
    """Of the whole process: `ended` puts back what was before."""

    def __init__(self) -> None:
        self.interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)

    def settled(self) -> None:
        """Everything has been made that stays."""
        gc.collect()
        gc.freeze()

    def ended(self) -> None:
        sys.setswitchinterval(self.interval)
        gc.unfreeze()
