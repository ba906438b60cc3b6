"""A self-hosted Prefect server as a source of runs. `README.md` beside this file explains the design.

    collection  the push types for Prefect's own command line
    opening     the source of the settings
    source      the `dispatcher.protocols.source.Source` that a tick asks
    server      the calls of the server's API, over httpx
    answers     pure: what the answer to a guarded claim means
    job_variables  what flow runs' jobs are made from, read once a tick
    variables   the server's variables, where a template or job variables name one
    identity    pure: ids that are derived, so that every call can be repeated
    pids        pure: what a flow run shows as its infrastructure, as Prefect's workers write it
    flow_runs   pure: a flow run as the server shows it, and the run that we make of it
    owed        pure: what the server still has to learn about a flow run
    mirroring   pools and queues of the server become ours
    bringing    flow runs that are due become runs
    reporting   ends, cancellations and deletions, in both directions
    standing    how things stand, for people
    waking      automations at the server that wake the dispatcher
    parting     the way back: a pause, then claims are given back, and pools become our own
    project     pure: a `prefect.yaml` as a configuration of ours; with `project_schedules` and `lookups`

Only `dispatcher.wiring` and the commands import this room, where the settings name a server.
"""
