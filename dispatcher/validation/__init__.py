"""The door: everything that people give is checked here in full, and trusted inside.

Each check raises one error of `dispatcher.errors` that lists every fault with its path and the fix. A tick never imports
this package, nor the libraries behind it: pydantic reads the annotations of `dispatcher.models`, jsonschema the schema of a
template's variables.
"""

from dispatcher.validation.coercion import coerced_template, coerced_variables
from dispatcher.validation.configuration import configuration_schema
from dispatcher.validation.configuration_nouns import NewNouns, read_configuration, read_retry
from dispatcher.validation.nouns import validate
from dispatcher.validation.schedules import check_windows_to_come
from dispatcher.validation.templates import check_base_job_template
from dispatcher.validation.times import length_of_time
from dispatcher.validation.variables import check_deployment_variables, check_job_variables

__all__ = [
    "NewNouns",
    "check_base_job_template",
    "check_deployment_variables",
    "check_job_variables",
    "check_windows_to_come",
    "coerced_template",
    "coerced_variables",
    "configuration_schema",
    "length_of_time",
    "read_configuration",
    "read_retry",
    "validate",
]
