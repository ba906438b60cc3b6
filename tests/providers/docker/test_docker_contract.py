from tests.providers.contract import ProviderContract


class TestDocker(ProviderContract):
    """With the fixture `harness` of this folder: a real engine."""
