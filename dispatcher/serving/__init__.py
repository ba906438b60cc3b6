"""Ticks where no cloud's schedule starts them: a process that goes on until it is asked to stop.

    turns       when to tick: at once, every so many seconds, and when somebody wakes; until it is stopped
    signals     the first signal stops the turns, the second ends the process
    service     `dispatcher serve`: tick, note how that went, go on
    health      whether ticks succeed
    endpoint    /healthz, /metrics and /wake over HTTP
    systemd     what systemd wants to know

`dispatcher dev` takes its turns and signals from here as well. README.md beside this file is for who runs it.
"""
