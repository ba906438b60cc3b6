from tests.stores.conformance import SUITE

for _part in SUITE:
    globals()[f"Test{_part.__name__}"] = _part
