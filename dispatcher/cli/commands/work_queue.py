"""`dispatcher work-queue`: create, change and inspect the work queues of a pool."""

from __future__ import annotations

import click

from dispatcher.cli.command import Group, Output
from dispatcher.cli.commands.work_pool import NEGATIVE_NUMBERS
from dispatcher.cli.context import Context, pass_context
from dispatcher.cli.input import completion
from dispatcher.cli.input.consent import consent, yes_option
from dispatcher.cli.input.values import pool_option
from dispatcher.cli.output import shapes
from dispatcher.cli.output.tables_option import wide_option
from dispatcher.models import DEFAULT_QUEUE, Share, WorkPool

SHARE_HELP = "How deployments share its slots: strict, by priority and due time (the default), or fair, by weight."
WEIGHT_HELP = "Slots for each one of a queue with weight 1, from 1 to 100, in a pool with fair shares."


@click.group(cls=Group)
def work_queue() -> None:
    """Create, change and inspect the work queues of a pool."""


@work_queue.command("create", example="dispatcher work-queue create critical --pool nightly --priority 1 --limit 1")
@click.argument("name")
@pool_option
@click.option("-q", "--priority", type=int, metavar="N", help="1 is served first; left out: it is served last.")
@click.option("-l", "--limit", type=int, metavar="N", help="The most runs at once; 0: none; left out: no limit of its own.")
@click.option("--paused", is_flag=True, help="Create it paused.")
@click.option("-d", "--description", default="", help="What it is for.")
@click.option("--weight", type=int, default=1, show_default=True, metavar="N", help=WEIGHT_HELP)
@click.option("--share", type=click.Choice([choice.value for choice in Share]), default=Share.STRICT.value, help=SHARE_HELP)
@click.option("--no-shift", is_flag=True, help="Refuse a taken priority instead of moving its queue down.")
@pass_context
def create(
    context: Context,
    /,
    name: str,
    pool: str,
    priority: int | None,
    limit: int | None,
    *,
    paused: bool,
    description: str,
    weight: int,
    share: str,
    no_shift: bool,
) -> Output:
    """Create a work queue. A queue that has its priority moves down, and so on, as far as needed."""
    before = context.client.work_pool(pool)
    after = context.client.create_work_queue(
        pool,
        name,
        priority=priority,
        concurrency_limit=limit,
        paused=paused,
        description=description,
        weight=weight,
        share=share,
        shift=not no_shift,
    )
    return _placed(context, before, after, name, f"Created work queue {name!r}")


@work_queue.command("ls", example="dispatcher work-queue ls --pool nightly")
@pool_option
@wide_option
@pass_context
def ls(context: Context, /, pool: str) -> Output:
    """List the work queues of a pool, the first served first."""
    view = context.client.inspect_work_pool(pool)
    return Output(data=[shapes.queue(view, queue.name) for queue in view.pool.queues], view="queues")


@work_queue.command("inspect", example="dispatcher work-queue inspect critical --pool nightly")
@click.argument("name", shell_complete=completion.queues)
@pool_option
@pass_context
def inspect(context: Context, /, name: str, pool: str) -> Output:
    """Show one work queue with the numbers of its runs."""
    context.client.work_queue(pool, name)
    return Output(data=shapes.queue(context.client.inspect_work_pool(pool), name), view="queue")


@work_queue.command("pause", example="dispatcher work-queue pause critical --pool nightly")
@click.argument("name", shell_complete=completion.queues)
@pool_option
@pass_context
def pause(context: Context, /, name: str, pool: str) -> Output:
    """Stop starting runs of one queue: running jobs continue, and due runs wait."""
    context.client.update_work_queue(pool, name, paused=True)
    return _changed(context, pool, name, f"Paused work queue {name!r} of {pool!r}.")


@work_queue.command("resume", example="dispatcher work-queue resume critical --pool nightly")
@click.argument("name", shell_complete=completion.queues)
@pool_option
@pass_context
def resume(context: Context, /, name: str, pool: str) -> Output:
    """Start runs of a queue again."""
    context.client.update_work_queue(pool, name, paused=False)
    return _changed(context, pool, name, f"Resumed work queue {name!r} of {pool!r}.")


@work_queue.command(
    "set-priority", example="dispatcher work-queue set-priority critical 1 --pool nightly", context_settings=NEGATIVE_NUMBERS
)
@click.argument("name", shell_complete=completion.queues)
@click.argument("priority", type=int)
@pool_option
@click.option("--no-shift", is_flag=True, help="Refuse a taken priority instead of moving its queue down.")
@pass_context
def set_priority(context: Context, /, name: str, priority: int, pool: str, *, no_shift: bool) -> Output:
    """Change the priority of a queue; 1 is served first."""
    before = context.client.work_pool(pool)
    after = context.client.update_work_queue(pool, name, priority=priority, shift=not no_shift)
    return _placed(context, before, after, name, f"Moved work queue {name!r}")


@work_queue.command(
    "set-concurrency-limit",
    example="dispatcher work-queue set-concurrency-limit critical 1 --pool nightly",
    context_settings=NEGATIVE_NUMBERS,
)
@click.argument("name", shell_complete=completion.queues)
@click.argument("limit", type=int)
@pool_option
@pass_context
def set_concurrency_limit(context: Context, /, name: str, limit: int, pool: str) -> Output:
    """Limit how many runs of the queue may hold a slot at once; 0 means never."""
    context.client.update_work_queue(pool, name, concurrency_limit=limit)
    return _changed(context, pool, name, f"Work queue {name!r} of {pool!r} now runs at most {limit} at once.")


@work_queue.command("clear-concurrency-limit", example="dispatcher work-queue clear-concurrency-limit critical --pool nightly")
@click.argument("name", shell_complete=completion.queues)
@pool_option
@pass_context
def clear_concurrency_limit(context: Context, /, name: str, pool: str) -> Output:
    """Remove the limit of a queue; the limit of the pool stays."""
    context.client.update_work_queue(pool, name, concurrency_limit=None)
    return _changed(context, pool, name, f"Work queue {name!r} of {pool!r} has no limit of its own any more.")


@work_queue.command(
    "set-weight", example="dispatcher work-queue set-weight team-a 3 --pool nightly", context_settings=NEGATIVE_NUMBERS
)
@click.argument("name", shell_complete=completion.queues)
@click.argument("weight", type=int)
@pool_option
@pass_context
def set_weight(context: Context, /, name: str, weight: int, pool: str) -> Output:
    """Change how many slots a queue gets for each one of a queue with weight 1, in a pool with fair shares."""
    after = context.client.update_work_queue(pool, name, weight=weight)
    strict = "" if after.share is Share.FAIR else f" It counts once {pool!r} shares fairly (work-pool update --share fair)."
    return _changed(context, pool, name, f"Work queue {name!r} of {pool!r} now has the weight {weight}.{strict}")


@work_queue.command("set-share", example="dispatcher work-queue set-share team-a fair --pool nightly")
@click.argument("name", shell_complete=completion.queues)
@click.argument("share", type=click.Choice([choice.value for choice in Share]))
@pool_option
@pass_context
def set_share(context: Context, /, name: str, share: str, pool: str) -> Output:
    """Change how deployments share a queue's slots: strict, by priority and due time, or fair, by weight."""
    context.client.update_work_queue(pool, name, share=share)
    means = "by the weights of its deployments" if share == Share.FAIR else "by priority and due time"
    return _changed(context, pool, name, f"Work queue {name!r} of {pool!r} now starts its runs {means}.")


@work_queue.command("delete", example="dispatcher work-queue delete critical --pool nightly --yes")
@click.argument("name", shell_complete=completion.queues)
@pool_option
@yes_option
@pass_context
def delete(context: Context, /, name: str, pool: str, *, yes: bool) -> Output:
    """Delete a queue. Refused for default, and while its runs have not ended. The others keep their priorities."""
    if context.client.work_queue(pool, name).name != DEFAULT_QUEUE:  # the default queue is refused in any case
        consent(f"delete work queue {name!r} of {pool!r}", yes=yes)
    context.client.delete_work_queue(pool, name)
    return Output(data={"deleted": name, "pool": pool}, text=f"Deleted work queue {name!r} of {pool!r}.")


def _changed(context: Context, pool: str, name: str, text: str) -> Output:
    return Output(data=shapes.queue(context.client.inspect_work_pool(pool), name), text=text)


def _placed(context: Context, before: WorkPool, after: WorkPool, name: str, did: str) -> Output:
    """Report the priority of a queue, and the queues that moved down."""
    moved = {
        queue.name: queue.priority
        for queue in after.queues
        if queue.name != name and (old := before.queue(queue.name)) and old.priority != queue.priority
    }
    shape = shapes.queue(context.client.inspect_work_pool(after.name), name)
    others = "; ".join(f"{other!r} moved down to {priority}" for other, priority in moved.items())
    text = f"{did} at priority {shape['priority']} of {after.name!r}{f' ({others})' if others else ''}."
    return Output(data={**shape, "moved": moved}, text=text)
