"""``python -m braintumorseg`` is the command line."""

from braintumorseg.cli import main

main()
