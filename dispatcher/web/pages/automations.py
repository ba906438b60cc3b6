"""Automations: what each one waits for and does, and what it did last, and why."""

from __future__ import annotations

from starlette.responses import Response

from dispatcher.client import shapes
from dispatcher.client.automations import MAX_FIRINGS
from dispatcher.client.secrets import hide, of_automations
from dispatcher.core import automation_words
from dispatcher.models import Firing
from dispatcher.web.pages.visit import Visit, gone_to

LAST = 20


def automations(visit: Visit) -> Response:
    """Every automation, with the last time that it acted if that is among the newest firings."""
    last: dict[str, Firing] = {}
    for firing in visit.client.firings(limit=MAX_FIRINGS):
        last.setdefault(firing.automation, firing)
    return visit.render("automations.html", automations=visit.client.automations(), last=last, words=automation_words)


def automation(visit: Visit) -> Response:
    """One automation."""
    record = visit.client.automation(visit.path("automation"))
    firings = visit.client.firings(record.name, limit=LAST)
    shape = hide(of_automations(visit.client.store, [record]), shapes.whole_automation(record, firings))
    values = {"counted": shape["counted"], "firings": firings, "shape": shape, "words": automation_words}
    return visit.render("automation.html", automation=record, **values)


def pause(visit: Visit) -> Response:
    """Pause or resume an automation. Raises `VersionChanged` if somebody else has changed it since it was shown."""
    name, client = visit.path("automation"), visit.client.only_at(automation=visit.version)
    (client.pause_automation if visit.sent("paused") == "yes" else client.resume_automation)(name)
    return gone_to("automations", name)


def delete(visit: Visit) -> Response:
    """Delete an automation, likewise."""
    visit.client.only_at(automation=visit.version).delete_automation(visit.path("automation"))
    return gone_to("automations")
