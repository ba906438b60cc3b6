"""Local processes: each job is one, detached from the tick, with its log and its exit code on disk. The embedded default.

    configuration   a rendered configuration becomes a command, an environment and a working directory
    job_directory   the files of one job, and what they say of its state
    supervisor      the program that stays with the job: starts it, stops it, writes down how it ended
    provider        the protocol

One directory a job, named as the job, under one state directory:

    lock            held (flock) from before the job is started until nobody is left who could start it or belongs to it
    job.json        what was asked for: command, labels, when; no environment, because that may hold secrets
    started         written just before the command begins
    exit            written when it has ended
    cancel          written when its end is asked for
    log             what it wrote to standard output and standard error
    work            its working directory, unless the configuration names one

So every instant at which anybody is killed leaves a state that can be recognised:

    lock held,  no `started`   STARTING     being submitted
    lock held,  `started`      RUNNING      whoever submitted it may be long gone
    lock free,  no `started`   -            it never began; a repeat may start it
    any,        `exit`         an end       by itself, or stopped
    lock free,  `started` only CRASHED      it and its supervisor were killed

Numbers of processes, which the system gives out anew, decide nothing here. The lock lives in the kernel and is on one machine:
keep the state directory on a local disk, and tick from that machine alone. What ends everything of the tick's control group or
container at its end (a systemd unit without `KillMode=process`, a container) ends these jobs too; they are then CRASHED.
"""

from providers.process.provider import ProcessProvider

__all__ = ["ProcessProvider"]
