from tests.providers.contract import ProviderContract


class TestProcess(ProviderContract):
    """With the fixture `harness` of this folder."""
