"""Our own fixtures, taken as a user's conftest would take them."""

from providers.emulators.fixtures import (  # noqa: F401 - pytest finds them by their names here
    cloud_run_emulator,
    container_instance_emulator,
    ecs_emulator,
    kubernetes_emulator,
    modal_emulator,
    vertex_ai_emulator,
)
