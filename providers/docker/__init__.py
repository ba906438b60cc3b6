"""Docker: each attempt of a run is one container, under the dispatcher's own name.

    memory          pure: amounts of bytes as Docker writes them
    keywords        pure: `container_create_kwargs`, in the names of Docker's SDK, become fields of the API
    request         pure: a rendered configuration becomes the body of a create call
    checking        pure: what is wrong with a configuration, and where its job goes
    states          pure: what an inspection says becomes an observation
    hosts           the engine that an entry of the settings, or the environment, names
    engine,         one engine: its calls and answers; the only modules that import the SDK, at the first call
    dialling
    pulls, puller   image pulls, in a process that outlives the tick
    lookup          containers on an engine, by name
    marks           empty volumes beside a container that record requests to start or stop it
    starting        create and start, once
    leftovers       the removal of ended containers
    logs, registries
    provider        the protocol

What Docker remembers, and the consequences:

* **A create is safe to repeat, a start is not.** The name is taken while its container exists, ended or not (409). But starting
  a container that has *ended* runs it again. So only the call that created a container starts it, by its id.
* **A container that was created but never started** was left by a process that died in between. Once it is older than the
  look-up lag, it is removed by its id and another is created: a late start then reaches no container.
* **A call that timed out may take effect later**: a frozen engine carries out pending requests when it resumes. Hence the
  look-up lag.
* **Only Docker's event log shows that a container was stopped on request**, and that log is short. So a cancel leaves a mark:
  an empty volume `NAME.stop`. An end by SIGTERM or SIGKILL counts as stopped only with the mark.
* **An engine that is killed while it starts a container forgets the start**: the command may have run, but the container looks
  unstarted. So a submission leaves the mark `NAME.start` before it sends a start. If a container has the mark and its engine
  was restarted since (its events are gone), it may have run: its attempt ends as CRASHED and is not started again.
* **`docker container prune` forgets ended containers**, so absence proves nothing after `memory` seconds.
* **A pull dies with its client.** A tick cannot wait for a large image, so it starts a process that does, and the run waits.
* **`auto_remove` loses the exit code, and a restart policy runs a job twice.** Both are always off: the dispatcher removes each
  container after its end is recorded.

Access to an engine's socket is root access to its host: grant it to the dispatcher only where you would grant it to an
administrator.
"""

from providers.docker.provider import DockerProvider

__all__ = ["DockerProvider"]
