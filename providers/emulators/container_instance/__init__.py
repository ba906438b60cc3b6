"""A local Azure Container Instances: as much of Azure Resource Manager as container groups need."""

from providers.emulators.container_instance.emulator import ContainerInstanceEmulator
from providers.emulators.container_instance.quotas import Quotas

__all__ = ["ContainerInstanceEmulator", "Quotas"]
