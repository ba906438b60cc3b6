"""Simulations in JSON's values, as `shapes` has nouns."""

from __future__ import annotations

from dispatcher.client.shapes import Shape
from dispatcher.client.simulations import Outcome, Simulation, Waits


def simulation(simulation: Simulation) -> Shape:
    """The waits of past runs under two sets of limits, in seconds; null where no run was admitted."""
    return {
        "pool": simulation.pool,
        "runs": simulation.runs,
        "is_cut": simulation.is_cut,
        "interval_seconds": simulation.interval.total_seconds(),
        "before": _outcome(simulation.before),
        "after": _outcome(simulation.after),
    }


def _outcome(outcome: Outcome) -> Shape:
    return {
        "concurrency_limit": outcome.concurrency_limit,
        "most_slots": outcome.most_slots,
        "ended_at": outcome.ended_at.isoformat() if outcome.ended_at else None,
        "queues": [_waits(waits) for waits in outcome.queues],
    }


def _waits(waits: Waits) -> Shape:
    return {
        "name": waits.queue,
        "runs": waits.runs,
        "median": waits.median,
        "p95": waits.p95,
        "longest": waits.longest,
        "never": waits.never,
    }
