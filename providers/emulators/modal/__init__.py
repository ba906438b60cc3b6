"""A local Modal: the control plane that `modal.Sandbox` talks to, for the unmodified `modal` client over gRPC.

    with ModalEmulator(job_seconds=5) as cloud:
        os.environ.update(cloud.environment())      # before the first `import modal`: it reads its settings once

What is modelled, and where it was found, stands in `sandboxes` (names, backends, rates, ends), `objects` (apps, images,
secrets, dicts) and `deployments` (what `modal deploy` sends). Every other remote procedure answers UNIMPLEMENTED and is
recorded in `calls`, so a client that takes another path shows at once. Requests are protobuf messages of `modal_proto`, so they
fit Modal's model by construction; the fields that the service needs are checked besides.
"""

from providers.emulators.modal.emulator import ModalEmulator

__all__ = ["ModalEmulator"]
