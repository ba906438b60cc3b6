from pathlib import Path

import pytest

from tests.shape.measuring import measure, measure_terraform, shared_class_names

HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def house():
    return measure(HERE)


def test_no_rooms_or_files_import_each_other(house):
    assert house["circles"] == []


def test_at_most_four_handlers_catch_everything_and_keep_it(house):
    assert house["broad excepts"] <= 4


def test_no_function_is_longer_than_60_lines_and_no_file_longer_than_400(house):
    assert int(house["function length: median, ninth of ten, longest"].split(", ")[-1]) <= 60
    assert int(house["file length: median, ninth of ten, longest"].split(", ")[-1]) <= 400


def test_terraform_repeats_at_most_one_line_in_twenty(house):
    assert house["Terraform: repeated lines"] <= 0.05 * house["Terraform: lines"]


VARIABLE = """
variable "{name}" {{
  # What it is for.
  description = "What"
  type        = string
  default     = null
  sensitive   = true
  nullable    = false
}}
"""


def test_a_repeated_line_of_terraform_is_one_of_six_that_stand_elsewhere_too(tmp_path):
    for module, names in (("one", "aa"), ("other", "ab"), ("third", "c")):
        (tmp_path / "infra" / module).mkdir(parents=True)
        text = "".join(VARIABLE.format(name=name) for name in names)
        (tmp_path / "infra" / module / "main.tf").write_text(text, encoding="utf-8")
    figures = measure_terraform(tmp_path / "infra")
    assert figures == {"Terraform: lines": 30, "Terraform: repeated lines": 18}


SAME_ROLE = {
    "Answer": {"providers.docker", "providers.kubernetes", "providers.vertex_ai"},
    "Automations": {"dispatcher.client", "dispatcher.stores.dynamodb"},
    "Call": {"providers.emulators.cloud_run", "providers.emulators.container_instance", "providers.emulators.kubernetes"},
    "Connection": {"providers.cloud_run", "providers.docker", "providers.kubernetes", "providers.vertex_ai"},
    "Connections": {"providers.container_instance", "providers.google"},
    "Deployments": {"dispatcher.client", "dispatcher.stores.dynamodb"},
    "OddAnswer": {"dispatcher.stores.dynamodb", "providers.cloud_run", "providers.vertex_ai"},
    "Place": {"providers"}
    | {
        f"providers.{name}" for name in ("cloud_run", "container_instance", "docker", "ecs", "kubernetes", "modal", "vertex_ai")
    },
    "Refusal": {"providers.emulators", "providers.emulators.container_instance", "providers.emulators.kubernetes"},
    "Region": {"providers.cloud_run", "providers.vertex_ai"},
    "Regions": {"providers.cloud_run", "providers.vertex_ai"},
    "Request": {"providers.docker", "providers.process"},
    "Service": {
        f"providers.emulators.{name}" for name in ("cloud_run", "container_instance", "kubernetes", "modal", "vertex_ai")
    },
}
"""Class names with several definitions, and their rooms: each plays the same role in every one of them."""


def test_a_class_name_means_one_thing():
    unlisted = {
        name: rooms
        for name, rooms in shared_class_names(HERE).items()
        if set(rooms) != SAME_ROLE.get(name) or len(set(rooms)) < len(rooms)
    }
    assert unlisted == {}, "name each class after its own thing, share one, or list the same role in `SAME_ROLE`"
    assert shared_class_names(HERE).keys() == SAME_ROLE.keys(), "take names that are defined once out of `SAME_ROLE`"


def test_a_class_name_with_two_definitions_is_listed_with_its_rooms(tmp_path):
    for package in ("dispatcher", "providers"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "room.py").write_text(f"class Step: ...\n\n\nclass {package.title()}: ...\n", encoding="utf-8")
    assert shared_class_names(tmp_path) == {"Step": ["dispatcher", "providers"]}


def written(root, **modules):
    for name, imported in modules.items():
        file = root.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"import {imported}\n\ndef a():\n    return 1\n", encoding="utf-8")
    return measure(root)


def test_a_circle_of_rooms_is_reported(tmp_path):
    house = written(
        tmp_path, dispatcher__web__app="providers.room", providers__room="dispatcher.web.guard", dispatcher__web__guard="os"
    )
    assert (house["rooms"], house["arrows between rooms"], house["floors"]) == (2, 2, "none")
    assert house["circles"] == ["dispatcher.web -> providers -> dispatcher.web"]


def test_a_circle_of_packages_of_providers_is_reported(tmp_path):
    house = written(
        tmp_path, providers__a__x="providers.b.y", providers__b__z="providers.a.w", providers__a__w="os", providers__b__y="os"
    )
    assert (house["rooms"], house["floors"]) == (1, 1)
    assert house["circles"] == ["providers.a -> providers.b -> providers.a"]


def test_a_circle_of_files_is_reported(tmp_path):
    house = written(tmp_path, providers__a__x="providers.a.y", providers__a__y="providers.a.x")
    assert house["circles"] == ["providers/a/x.py -> providers/a/y.py -> providers/a/x.py"]


HANDLERS = """
def a():
    try:
        b()
    except Exception:
        c()
    try:
        b()
    except Exception:
        raise
"""


def test_a_handler_that_catches_everything_and_does_not_raise_is_counted(tmp_path):
    for package in ("dispatcher", "providers"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "room.py").write_text(HANDLERS, encoding="utf-8")
    assert measure(tmp_path)["broad excepts"] == 2
