"""Modal: rendered jobs become sandboxes, one `Sandbox.create` each.

    request            pure: a rendered configuration becomes the arguments of a sandbox
    needs, checking    pure: a job's place and size; the faults of a configuration
    outcomes, results  pure: an exception or result of the SDK becomes an outcome or an observation
    sdk, loop          the SDK, imported on first use, and the event loop that its calls run in
    account(s), names  the state of an account between calls; the names of GPU jobs
    lookup, creation   the calls to Modal
    provider           the protocol, bounded in time

**How a name prevents a second start.** Modal refuses a second sandbox of a name only while the first one runs; after its end
the name is free, and a repeat would run the job again. Three measures close that gap:

* `submit` looks the name up, among ended sandboxes too, before it creates a sandbox; a tick does so before it repeats a
  submission.
* Modal does not document how long an ended sandbox can be looked up by name. `ProviderLimits.memory` assumes one day: a
  submission without an answer is not repeated after more than a day.
* Only Modal's newer backend looks up ended sandboxes by name, and GPU jobs run on the older one. A GPU job's name is
  therefore claimed in a `modal.Dict` (`push-dispatcher-names`, one atomic put) before its sandbox is created, and is released
  only if certainly nothing was started. A claimed name without a sandbox counts as started, even if the process that claimed it
  died before the creation: the job is found, then observed as missing, and its run ends as crashed. It does not run twice.
  Modal drops such entries after a week without use.

Within one call the SDK itself repeats a request up to three times under one idempotency key. This cannot be switched off, but
the call's own time limit bounds it.

**What Modal does not report.** Its public interface has no start time, so a sandbox counts as running from its creation on. The
sandbox's own timeout, which is always set, ends a hanging one. `submit` bounds the time that a GPU job waits for capacity.

Importing this package loads no part of the SDK (the top-level package `modal`); the first call does.
"""

from providers.modal.provider import ModalProvider

__all__ = ["ModalProvider"]
