"""Automations in a world: one makes a run after each job that ends well, one pauses a deployment after two failures in five."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dispatcher.models import Automation, Deployment, RunEnded, RunOf, RunState, Target, Then, When

if TYPE_CHECKING:
    from tests.simulation.world import World

NEXT = "next"
VARIABLES = {"n": 1, "place": "east", "gpu": 0}


def add_automations(world: World) -> Automation:
    """Add them to a world, with the deployment that they name. Returns the one that makes runs."""
    pool = world.random.choice(world.store.pools())
    following = Deployment(id=world.new_id(), name=NEXT, pool=pool.name, created_at=world.now)
    world.store.save_deployment(following, expected_version=None, now=world.now)
    follow = Automation(
        id=world.new_id(),
        name="follow",
        when=When(ended=RunEnded(states=frozenset({RunState.COMPLETED}))),
        then=(Then(run=RunOf(deployment=NEXT, job_variables=VARIABLES, chain_limit=2)),),
        created_at=world.now,
    )
    breaker = Automation(
        id=world.new_id(),
        name="breaker",
        when=When(ended=RunEnded(states=frozenset({RunState.FAILED, RunState.CRASHED}), count=2, of_last=5)),
        then=(Then(pause=Target(deployment=NEXT)),),
        created_at=world.now,
    )
    for automation in (breaker, follow):
        world.store.save_automation(automation, expected_version=None)
    return follow
