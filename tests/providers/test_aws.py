"""Sessions of the AWS SDK: apart in who they are, together in what they read."""

from __future__ import annotations

from providers.aws import new_session


def test_two_sessions_read_the_sdks_data_once():
    first, second = new_session(), new_session()
    assert first is not second
    model = first.get_component("data_loader").load_service_model("ecs", "service-2")
    assert second.get_component("data_loader").load_service_model("ecs", "service-2") is model


def test_data_of_ones_own_is_kept_apart(tmp_path, monkeypatch):
    usual = new_session().get_component("data_loader")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    own = new_session().get_component("data_loader")
    assert own is not usual
    assert str(tmp_path) in own.search_paths
