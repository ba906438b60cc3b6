"""The package of a function: a zip for a target platform, built from locked wheels without Docker. Equal input gives equal
bytes.

targets     what a platform runs: Python, machine, C library, and what its runtime brings
platform_files  what a platform wants to find beside the code
lock        `requirements.lock`: every distribution by name, version and hashes
wheels      wheels fetched by pip for the target, and their contents
resolution  from the chosen extras to exactly the wheels that they need
sources     our own rooms, without those that no function uses
bytecode    .pyc files, made by the target's version of Python
archive     the zip: sorted, one time, one mode
sbom        the bill of materials, as CycloneDX
build       all of it, in this order
"""
