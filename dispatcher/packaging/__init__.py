"""The package of a function: a zip for a target platform, built from locked wheels without Docker. Equal input gives equal
bytes.

targets     what a platform runs: Python, machine, C library, and what its runtime brings
platform_files  what a platform wants to find beside the code
lock        `requirements.lock`: every distribution by name, version and hashes
wheels      wheels fetched by pip for the target, and what is in them
resolution  from the chosen extras to the wheels that they need, and no others
sources     our own rooms, without those that no function uses
bytecode    .pyc files, made by the target's version of Python
archive     the zip: sorted, one time, one mode
sbom        what is in it, as CycloneDX
build       all of it, in this order
"""
