"""What a client of the emulated Azure Container Instances does, and what it is shown."""

import json

from providers.emulators.jobs import Life, Phase

NAME = "r0001-1"
SLOW = Life(before=(Phase("Pending", 10), Phase("Creating", 20)), running="Running", ended="Terminated", stop_seconds=5)


def a_body(**properties):
    container = {"image": "alpine", "command": ["true"], "resources": {"requests": {"cpu": 1.0, "memoryInGB": 1.5}}}
    container |= properties.pop("container", {})
    return {
        "location": properties.pop("location", "westeurope"),
        "tags": properties.pop("tags", {}),
        "properties": {
            "containers": [{"name": "main", "properties": container}],
            "osType": "Linux",
            "restartPolicy": "Never",
            **properties,
        },
    }


def put(client, name=NAME, body=None, resource_group="rg"):
    content = json.dumps(body or a_body()).encode()
    return client.container_groups.begin_create_or_update(resource_group, name, content, polling=False)


def raw(_response, _model, _headers):
    return json.loads(_response.http_response.text() or "null")


def get(client, name=NAME, resource_group="rg"):
    return client.container_groups.get(resource_group, name, cls=raw)


def view(client, name=NAME):
    group = get(client, name)["properties"]
    return group["provisioningState"], group["instanceView"]["state"]


def container_state(client, name=NAME):
    return get(client, name)["properties"]["containers"][0]["properties"]["instanceView"]["currentState"]


def code(caught):
    return caught.value.error.code
