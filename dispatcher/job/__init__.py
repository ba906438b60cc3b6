"""Calls a Python function as a job: `python -m dispatcher.job etl:main`, with the parameters of the run.

It stands alone in a container: of this package it imports nothing else, and of other libraries only pydantic, where it is
installed and the function's parameters have annotations. Exit codes:

    0      the function returned
    1      it raised; or the `exit_code` of the exception, from 1 to 255
    2      it was not called: there is no such function, or a parameter does not fit
    N      it called sys.exit(N)
    130    SIGINT;  143    SIGTERM, which raises SystemExit in the function, so that its `finally` blocks run
"""
