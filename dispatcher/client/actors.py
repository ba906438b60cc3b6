"""Who makes a change where nobody says so: the function that this is, or the user of this process."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping

from dispatcher.models import Actor

FUNCTIONS: Mapping[str, str] = {
    "AWS_LAMBDA_FUNCTION_NAME": "lambda",
    "K_SERVICE": "cloud-run",
    "CONTAINER_APP_NAME": "container-app",
    "WEBSITE_SITE_NAME": "azure-function",
    "MODAL_TASK_ID": "modal",
}
"""A variable in which a platform names the function -> the name of the platform."""


def of_process(environment: Mapping[str, str] | None = None) -> Actor:
    """`lambda:NAME` and the like within a function, otherwise the name of the user."""
    environment = os.environ if environment is None else environment
    for variable, platform in FUNCTIONS.items():
        if name := environment.get(variable):
            return Actor(name=f"{platform}:{name}", via="function")
    return Actor(name=user(), via="python")


def user() -> str:
    """The user of the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return f"uid {os.getuid()}"
