"""A local Modal: the control plane that `modal.Sandbox` talks to, for the unmodified `modal` client over gRPC.

    with ModalEmulator(job_seconds=5) as cloud:
        os.environ.update(cloud.environment())      # before the first `import modal`, which reads its settings once

The modelled behaviour and its sources are described in `sandboxes` (names, backends, rates, ends), `objects` (apps, images,
secrets, dicts) and `deployments` (the calls of `modal deploy`). Every other remote procedure answers UNIMPLEMENTED and is
recorded in `calls`, so an unexpected call is noticed at once. Requests are protobuf messages of `modal_proto`, so they fit
Modal's model by construction; the fields that the service needs are also checked.
"""

from providers.emulators.modal.emulator import ModalEmulator

__all__ = ["ModalEmulator"]
