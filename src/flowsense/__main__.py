"""``python -m flowsense``, where the command is not on the path."""

from flowsense.cli import main

main()
