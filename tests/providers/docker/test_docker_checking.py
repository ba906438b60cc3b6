"""What is said of a configuration before any engine is asked."""

import subprocess
import sys

import pytest

from providers import registry
from providers.base import ConfigurationError, Job
from providers.docker.request import PullPolicy, pull_policy, request_of, tag_of

NAME = "r" + "0" * 32 + "-1"
LEAST = {"image": "team/job:1.2"}


def checked(**configuration):
    return registry.check("docker", {**LEAST, **configuration})


def body(**configuration):
    return request_of(Job(name=NAME, configuration={**LEAST, **configuration}, environment={"DISPATCHER_RUN_ID": "7"})).body


@pytest.mark.parametrize(
    ("configuration", "path", "words"),
    [
        ({"image": None}, "image", "a container needs one"),
        ({"image": "UPPER case"}, "image", "is not a reference to an image"),
        ({"comand": "x"}, "comand", "did you mean 'command'?"),
        ({"command": "echo 'open"}, "command", "cannot be split like a shell command"),
        ({"env": {"A=B": "1"}}, "env", "'A=B' cannot be the name of a variable"),
        ({"env": {"A": "b\0c"}}, "Env", "NUL"),
        ({"volumes": ["data/here:/data"]}, "volumes[0]", "a relative path would be another one for each machine"),
        ({"volumes": ["~/data:/data"]}, "volumes[0]", "neither a whole path"),
        ({"volumes": ["/a:b"]}, "volumes[0]", "give 'source:/path/in/the/container'"),
        ({"volumes": ["/a:/b:ro:x"]}, "volumes[0]", "too many colons"),
        ({"mem_limit": "12 parsecs"}, "mem_limit", "as '512m'"),
        ({"mem_limit": "5m"}, "mem_limit", "least is 6m"),
        ({"memswap_limit": "1g"}, "memswap_limit", "give mem_limit with it"),
        ({"mem_limit": "2g", "memswap_limit": "1g"}, "memswap_limit", "at least mem_limit"),
        ({"networks": ["a"], "network_mode": "host"}, "network_mode", "together with networks"),
        ({"privileged": "yes"}, "privileged", "give true or false"),
        ({"image_pull_policy": "Sometimes"}, "image_pull_policy", "Always, IfNotPresent, IfPossible, Never"),
        (
            {"container_create_kwargs": {"restart_policy": {"Name": "always"}}},
            "container_create_kwargs.restart_policy",
            "twice",
        ),
        ({"container_create_kwargs": {"auto_remove": True}}, "container_create_kwargs.auto_remove", "'auto_remove' instead"),
        ({"container_create_kwargs": {"environment": {}}}, "container_create_kwargs.environment", "'env' instead"),
        ({"container_create_kwargs": {"nano_cpu": 1}}, "container_create_kwargs.nano_cpu", "did you mean 'nano_cpus'?"),
        ({"container_create_kwargs": {"nano_cpus": "1"}}, "container_create_kwargs.nano_cpus", "give a whole number"),
        ({"registry_credentials": {"username": "u", "password": "hush"}}, "registry_credentials", "secrets never stand"),
        ({"task_start_timeout_seconds": 0}, "task_start_timeout_seconds", "above 0"),
    ],
)
def test_a_fault_names_its_place_and_what_to_do(configuration, path, words):
    [fault] = checked(**configuration).faults
    assert fault.path == path
    assert words in fault.message
    assert "hush" not in fault.message


def test_a_setting_without_effect_is_reported_where_it_was_chosen():
    assert checked(auto_remove=False, stream_output=True).warnings == ()
    warnings = checked(auto_remove=True, stream_output=False, container_wait_timeout=60).warnings
    assert [warning.path for warning in warnings] == ["auto_remove", "stream_output", "container_wait_timeout"]
    assert checked(auto_remove=True).faults == ()


def test_variables_become_fields_of_the_api():
    made = body(
        command="sh -c 'echo $X'",
        env={"X": 1, "DISPATCHER_RUN_ID": "mine"},
        networks=["one", "two"],
        volumes=["/a:/b:ro", "data:/data", "/scratch"],
        mem_limit="512m",
        memswap_limit=-1,
        privileged=True,
        labels={"team": "data"},
    )
    assert made["Cmd"] == ["sh", "-c", "echo $X"]
    assert made["Env"] == ["X=1", "DISPATCHER_RUN_ID=7"]
    assert made["Labels"] == {"team": "data", "push-dispatcher/name": NAME}
    assert made["Volumes"] == {"/scratch": {}}
    assert made["HostConfig"] == {
        "Init": True,
        "AutoRemove": False,
        "RestartPolicy": {"Name": "no"},
        "NetworkMode": "one",
        "Binds": ["/a:/b:ro", "data:/data"],
        "Privileged": True,
        "Memory": 512 << 20,
        "MemorySwap": -1,
    }


def test_the_names_of_dockers_sdk_become_fields_of_the_api():
    made = body(
        container_create_kwargs={
            "entrypoint": "/bin/tool --flag",
            "user": 1000,
            "restart_policy": {"Name": "no"},
            "init": False,
            "shm_size": "1g",
            "extra_hosts": {"host.docker.internal": "host-gateway"},
            "devices": ["/dev/sda:/dev/xvda:r", "/dev/fuse"],
            "device_requests": [{"count": -1, "capabilities": [["gpu"]], "device_ids": ["0"]}],
            "ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 2048}],
            "log_config": {"type": "local", "config": {"max-size": "10m"}},
        }
    )
    assert (made["Entrypoint"], made["User"]) == (["/bin/tool", "--flag"], "1000")
    host = made["HostConfig"]
    assert (host["Init"], host["ShmSize"], host["ExtraHosts"]) == (False, 1 << 30, ["host.docker.internal:host-gateway"])
    assert host["Devices"] == [
        {"PathOnHost": "/dev/sda", "PathInContainer": "/dev/xvda", "CgroupPermissions": "r"},
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"},
    ]
    assert host["DeviceRequests"] == [{"Count": -1, "Capabilities": [["gpu"]], "DeviceIDs": ["0"]}]
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]
    assert host["LogConfig"] == {"Type": "local", "Config": {"max-size": "10m"}}
    assert host["RestartPolicy"] == {"Name": "no"}


@pytest.mark.parametrize(
    ("image", "repository", "tag", "policy"),
    [
        ("busybox", "busybox", "latest", PullPolicy.ALWAYS),
        ("team/job:latest", "team/job", "latest", PullPolicy.ALWAYS),
        ("team/job:1.2", "team/job", "1.2", PullPolicy.IF_NOT_PRESENT),
        ("registry.test:5000/job", "registry.test:5000/job", "latest", PullPolicy.ALWAYS),
        ("registry.test:5000/job:1", "registry.test:5000/job", "1", PullPolicy.IF_NOT_PRESENT),
        ("job@sha256:" + "a" * 64, "job@sha256:" + "a" * 64, "", PullPolicy.IF_NOT_PRESENT),
    ],
)
def test_a_tag_that_moves_is_always_pulled_as_with_prefect(image, repository, tag, policy):
    assert tag_of(image) == (repository, tag)
    assert pull_policy(None, image) is policy
    assert pull_policy("Never", image) is PullPolicy.NEVER


def test_a_configuration_is_checked_without_the_sdk():
    program = (
        "import sys; sys.modules['docker'] = sys.modules['requests'] = None\n"
        "from providers import registry\n"
        "print(registry.check('docker', {'image': 'job:1'}).faults, registry.needs('docker', {'image': 'job:1'}).place)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60).stdout
    assert said == "() ('', 'job:1')\n"


def test_the_provider_loads_its_own_sdk_and_no_other():
    program = (
        "import sys\nfrom providers import registry\n"
        "provider = registry.create('docker', options={'environment': {'DOCKER_HOST': 'unix:///nobody.sock'}})\n"
        "from providers.base import Job\n"
        f"print(type(provider.submit(Job(name='{NAME}', configuration={LEAST}))).__name__)\n"
        "others = {'boto3', 'botocore', 'google.cloud.run_v2', 'azure', 'modal', 'grpc', 'paramiko', 'pydantic'}\n"
        "print('docker' in sys.modules, sorted(others & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60).stdout
    assert said == "Unreachable\nTrue []\n"


def test_a_place_is_an_engine_and_an_image():
    assert registry.needs("docker", {**LEAST, "docker_host": "gpu"}).place == ("gpu", "team/job:1.2")
    with pytest.raises(ConfigurationError, match="image"):
        registry.needs("docker", {"docker_host": "gpu"})
