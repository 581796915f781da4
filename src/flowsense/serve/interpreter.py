"""What a process that serves asks of Python: that threads give way soon, and no pause for garbage.

A look at all objects takes long in a process as large as this, and stops every thread. What is
there before the first event is left out of such looks, as nearly all of it stays until the end; a
model that is loaded later is not left out.
"""

import gc
import sys
from typing import ClassVar

SWITCH = 0.0001  # seconds that the loop and the engine keep the interpreter from each other


class Interpreter:
    """Asked by each pipeline of the process: the last that ends puts back what was before."""

    asked: ClassVar[int] = 0  # by pipelines that have not ended
    interval: ClassVar[float] = 0.0  # before the first of them
    foreign: ClassVar[bool] = False  # what others had frozen by then stays so

    def __init__(self) -> None:
        if not Interpreter.asked:
            Interpreter.interval = sys.getswitchinterval()
            Interpreter.foreign = gc.get_freeze_count() > 0
            sys.setswitchinterval(SWITCH)
        Interpreter.asked += 1

    def settled(self) -> None:
        """Everything has been made that stays."""
        gc.collect()
        gc.freeze()

    def ended(self) -> None:
        """Once."""
        Interpreter.asked -= 1
        if not Interpreter.asked:
            sys.setswitchinterval(Interpreter.interval)
            if not Interpreter.foreign:
                gc.unfreeze()
