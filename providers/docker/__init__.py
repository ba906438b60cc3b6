"""Docker: each attempt of a run is one container, under the dispatcher's own name.

    memory          pure: amounts of bytes as Docker writes them
    keywords        pure: `container_create_kwargs`, in the names of Docker's SDK, become fields of the API
    request         pure: a rendered configuration becomes the body of a create call
    checking        pure: what is wrong with a configuration, and where its job goes
    states          pure: what an inspection says becomes an observation
    hosts           which engine an entry of the settings, or the environment, means
    engine,         one engine: its calls and answers; the only modules that import the SDK, with the first call
    dialling
    pulls, puller   images come in a process of their own, which outlives the tick
    lookup          what an engine has
    marks           what was asked of a container: empty volumes beside it
    starting        create and start, once
    leftovers       what ended containers leave
    logs, registries
    provider        the protocol

What Docker remembers, and what follows from it:

* **A create is safe to repeat, a start is not.** The name is taken while its container exists, ended or not (409). But a
  start of a container that has *ended* runs it again. So nobody starts a container but the call that created it, by its id.
* **A container that was created and never started** is left by whoever died in between. Once it is older than the look-up lag
  it is removed, by its id, and another is made: a start that still is on its way then meets nothing.
* **A call that timed out may act later**: a frozen engine does, when it thaws, what it was asked. Hence the look-up lag.
* **Nobody but Docker's own event log knows who stopped a container**, and that log is short. A cancel leaves a mark: an empty
  volume `NAME.stop`. An end by SIGTERM or SIGKILL counts as stopped only with the mark.
* **An engine that is killed while it starts a container forgets that**: the command ran, the container is as if it never had. A
  submission leaves the mark `NAME.start` before it sends a start. A container with the mark, of an engine that was restarted
  since (its events are gone), may have run: its attempt ends as CRASHED and is not started a second time.
* **`docker container prune` forgets ended containers**, so absence proves nothing after `memory` seconds.
* **A pull dies with its client.** A tick cannot wait for a large image, so it starts a process that does, and the run waits.
* **`auto_remove` loses the exit code, a restart policy runs a job twice.** Both stay off: the dispatcher removes each container
  once its end is recorded.

Whoever reaches an engine's socket is root on its host: give it to the dispatcher as you would give it to an administrator.
"""

from providers.docker.provider import DockerProvider

__all__ = ["DockerProvider"]
