"""A Kubernetes API server with the Job controller behind it, for unmodified clients (kubectl among them)."""

from providers.emulators.kubernetes.emulator import KubernetesEmulator

__all__ = ["KubernetesEmulator"]
