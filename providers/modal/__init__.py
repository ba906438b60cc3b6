"""Modal: rendered jobs become sandboxes, one `Sandbox.create` each.

    request            pure: a rendered configuration becomes the arguments of a sandbox
    needs, checking    pure: where a job goes and what it takes; what is wrong with a configuration
    outcomes, results  pure: what the SDK raised or returned becomes an outcome or an observation
    sdk, loop          the SDK, imported on first use, and the event loop that its calls run in
    account(s), names  what is kept of an account between calls; the names of GPU jobs
    lookup, creation   what calls Modal
    provider           the protocol, bounded in time

**What a name protects, and where that ends.** Modal refuses a second sandbox of a name only while the first one runs; once it
ended, the name is free and a repeat would run the job again. Three things close that gap:

* `submit` looks the name up before it creates a sandbox, ended ones included; a tick does so before it repeats a submission.
* Modal does not say for how long it finds an ended sandbox by name. `ProviderLimits.memory` counts on one day: a submission
  without an answer that nobody looked after for longer is not repeated.
* By name, ended sandboxes are found on Modal's newer backend alone, and GPU jobs run on the older one. A GPU job's name is
  therefore claimed in a `modal.Dict` (`push-dispatcher-names`, one atomic put) before its sandbox is created, and is given back
  only where it is certain that nothing was started. A name that is claimed and has no sandbox counts as started, even if
  its claimer died before the creation: the job is found, then missing, and its run ends as crashed. It does not run twice.
  Modal drops such entries after a week without use.

Within one call the SDK itself repeats a request up to three times, under one idempotency key; that cannot be switched off, but
it is bounded by the call's own time limit.

**What Modal does not report.** Its public interface has no start time, so a sandbox counts as running from its creation on; a
sandbox that hangs is ended by its own timeout, which is always sent. The wait of a GPU job for capacity is bounded in `submit`.

Importing this package loads no part of the SDK (the top-level package `modal`); the first call does.
"""

from providers.modal.provider import ModalProvider

__all__ = ["ModalProvider"]
