"""`dispatcher demo`: priorities and limits at work, on a store and on infrastructure of its own.

scenario    what is played: a pool, its queues, the runs and when they come
stage       where it is played: a temporary store and something that runs jobs
processes   the stage of local processes, ticked here
containers  the stage of a Docker engine, ticked here
emulated    the stage of an emulated cloud, ticked through the handler of a function in a process of its own
clouds      the same runs on all four emulated clouds at once, ticked by one such function
runtime     that process: events in, answers out, as a platform's runtime calls a handler
play        the play: enqueue, tick, look, until all runs have ended
picture     what is to be seen at one moment
summary     what happened, from the runs alone and from what the infrastructure itself counted
audience    who looks on: a terminal, a pipe or nobody
"""
