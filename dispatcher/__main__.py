"""`python -m dispatcher`: the command line, where the console script is not on the path."""

from dispatcher.cli.main import main

main()
