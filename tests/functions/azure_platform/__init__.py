"""Azure Functions on this machine: the zip unpacked, and the library that Azure's own Python worker runs functions with.

`azure-functions-runtime` is what Azure's worker loads for Python 3.13: it finds the functions of an app, tells the host of
their bindings, turns the host's messages into arguments and answers into messages. It is used as published. Ours is the process
around it (`worker`), in the place of the worker's gRPC loop, which is not published by itself.
"""
