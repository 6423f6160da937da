"""``python -m openshelf``."""

from openshelf.interfaces.cli.main import main

main()
