"""The addresses of the pages."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dispatcher.web.pages import (
    automations,
    bulk,
    change_log,
    deletion,
    deployment_editing,
    deployments,
    finding,
    history,
    new_pool,
    new_run,
    pool_template,
    pools,
    queues,
    runs,
)
from dispatcher.web.pages.live import LivePages
from dispatcher.web.pages.visit import Page, Pages, sent, shown

READ: dict[str, Page] = {
    "/": pools.overview,
    "/new-pool": new_pool.new,
    "/pools/{pool}": pools.pool,
    "/pools/{pool}/upcoming": pools.upcoming,
    "/pools/{pool}/template": pool_template.template,
    "/pools/{pool}/plan": pools.plan,
    "/pools/{pool}/delete": deletion.leaving_pool,
    "/pools/{pool}/queues/{queue}/delete": queues.leaving,
    "/pools/{pool}/slots": history.slots,
    "/pools/{pool}/what-if": history.what_if,
    "/runs": runs.runs,
    "/runs/new": new_run.new,
    "/runs/bulk": bulk.confirm,
    "/runs/{run}": runs.run,
    "/runs/{run}/logs": runs.logs,
    "/find": finding.find,
    "/help": finding.help_page,
    "/deployments": deployments.deployments,
    "/deployments/{deployment}": deployments.deployment,
    "/deployments/{deployment}/delete": deletion.leaving_deployment,
    "/deployments/{deployment}/edit": deployment_editing.edit,
    "/deployments/{deployment}/schedule": deployment_editing.edit_schedule,
    "/automations": automations.automations,
    "/automations/{automation}": automations.automation,
    "/log": change_log.log,
}
CHANGE: dict[str, Page] = {
    "/new-pool": new_pool.create,
    "/pools/{pool}/change": pools.change,
    "/pools/{pool}/queues": pools.add_queue,
    "/pools/{pool}/delete": deletion.delete_pool,
    "/pools/{pool}/queues/{queue}/delete": queues.delete,
    "/pools/{pool}/template": pool_template.save_template,
    "/runs": runs.act,
    "/runs/bulk": bulk.step,
    "/runs/new": new_run.create,
    "/runs/preview": new_run.preview,
    "/runs/{run}/cancel": runs.cancel,
    "/runs/{run}/move": runs.move,
    "/runs/{run}/retry": runs.retry,
    "/runs/{run}/start-now": runs.start_now,
    "/deployments": deployments.act,
    "/deployments/{deployment}/pause": deployments.pause,
    "/deployments/{deployment}/delete": deletion.delete_deployment,
    "/deployments/{deployment}/edit": deployment_editing.save,
    "/deployments/{deployment}/schedule": deployment_editing.save_schedule,
    "/automations/{automation}/pause": automations.pause,
    "/automations/{automation}/delete": automations.delete,
}


def page_routes(pages: Pages, live: LivePages) -> list[BaseRoute]:
    """Every route of the pages."""
    files = {file.address: file for file in pages.files.values()}

    def static(request: Request) -> Response:
        file = files.get(request.url.path)
        if file is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(file.content, media_type=file.kind, headers=headers)

    return [
        *(Route(path, shown(pages, page), methods=["GET"]) for path, page in READ.items()),
        *(Route(path, sent(pages, page), methods=["POST"]) for path, page in CHANGE.items()),
        Route("/live", live.stream, methods=["GET"]),
        Route("/static/{name}", static, methods=["GET"]),
    ]
