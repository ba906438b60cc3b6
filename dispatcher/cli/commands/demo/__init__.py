"""`dispatcher demo`: priorities and limits at work, with its own store and its own infrastructure.

scenario    a pool, its queues, and the runs with the times at which they are created
stage       a temporary store and something that runs jobs
processes   the stage of local processes, ticked here
containers  the stage of a Docker engine, ticked here
emulated    the stage of an emulated cloud, ticked through a function's handler in its own process
clouds      the same runs on all six emulated clouds at once, ticked by one such function
runtime     that process: it reads events, calls the handler as a platform does, and writes answers
play        create runs, tick and show pictures until all runs have ended
picture     the pool, its queues and its latest changes at one moment
summary     the result, from the ended runs and from the infrastructure's own counts
audience    where pictures are shown: in a terminal, in a pipe or nowhere
"""
