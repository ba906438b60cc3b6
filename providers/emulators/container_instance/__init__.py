"""A local Azure Container Instances: the part of Azure Resource Manager that container groups need."""

from providers.emulators.container_instance.emulator import ContainerInstanceEmulator
from providers.emulators.container_instance.quotas import Quotas

__all__ = ["ContainerInstanceEmulator", "Quotas"]
