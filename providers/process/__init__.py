"""Local processes: each job is a process that is detached from the tick, with its log and exit code on disk. The built-in
default.

    configuration   a rendered configuration becomes a command, an environment and a working directory
    job_directory   the files of one job, and the state that they show
    supervisor      the program that accompanies a job: it starts and stops it and records its end
    provider        the protocol

Each job has a directory with the job's name in one state directory:

    lock            held (flock) from before the job's start until no process is left that belongs to it or could start it
    job.json        the request: command, labels, time; no environment, which may contain secrets
    started         written just before the command begins
    exit            written when the job has ended
    cancel          written when its end is requested
    log             its standard output and standard error
    work            its working directory, unless the configuration names one

So whenever a process is killed, the files show the state:

    lock held,  no `started`   STARTING     being submitted
    lock held,  `started`      RUNNING      the submitting process may be long gone
    lock free,  no `started`   -            it never began; a repeat may start it
    any,        `exit`         an end       by itself, or stopped
    lock free,  `started` only CRASHED      it and its supervisor were killed

Process ids, which the system reuses, decide nothing here. The lock lives in one machine's kernel: keep the state directory on a
local disk, and run ticks only on that machine. If the end of a tick also ends its whole control group or container (a systemd
unit without `KillMode=process`, a container), these jobs end too, and are then CRASHED.
"""

from providers.process.provider import ProcessProvider

__all__ = ["ProcessProvider"]
