"""What people look at in JSON's values, as `shapes` has nouns: pools with who holds their slots and why the next runs wait."""

from __future__ import annotations

from dispatcher.client import shapes
from dispatcher.client.pictures import Lane, PoolPicture
from dispatcher.client.shapes import Shape
from dispatcher.client.simulations import SlotsOverTime


def picture(picture: PoolPicture) -> Shape:
    """A pool with its queues in order of priority, at one moment. `late` counts each queue up to 1,000."""
    return {
        **shapes.pool(picture.pool, picture.status),
        "at": shapes.time(picture.at),
        "in_use": picture.in_use,
        "due": picture.due,
        "later": picture.later,
        "late": picture.late,
        "late_after_seconds": shapes.seconds(picture.late_after),
        "queues": [_lane(lane) for lane in picture.lanes],
    }


def _lane(lane: Lane) -> Shape:
    """A queue: `next` is why the due run that is served next waits; null when nothing is due."""
    queue = lane.queue
    return {
        "name": queue.name,
        "status": str(lane.status),
        "priority": queue.priority,
        "concurrency_limit": queue.concurrency_limit,
        "in_use": lane.count.in_use,
        "due": lane.count.due,
        "later": lane.count.later,
        "late": lane.late,
        "oldest_due_at": shapes.time(lane.oldest.due_at) if lane.oldest else None,
        "next": shapes.explanation(lane.head, lane.explanation) if lane.head and lane.explanation else None,
        "holders": [
            {"id": str(run.id), "name": run.name, "state": str(run.state), "since": shapes.time(run.claimed_at)}
            for run in lane.holders
        ],
    }


def slots_over_time(slots: SlotsOverTime) -> Shape:
    """The slots that each queue held, on average of each of the equal parts of the time from `begin` to `end`."""
    return {
        "begin": shapes.time(slots.begin),
        "end": shapes.time(slots.end),
        "runs": slots.runs,
        "is_cut": slots.is_cut,
        "queues": [{"name": name, "slots": [round(part, 3) for part in parts]} for name, parts in slots.queues.items()],
    }
