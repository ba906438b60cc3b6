"""Deployments: few, and all in one partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dispatcher.models import Deployment
from dispatcher.stores import refusals
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.changes import Actions
from dispatcher.stores.dynamodb.items import decode, encode, typed
from dispatcher.stores.dynamodb.pools import changed
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.rows import DEPLOYMENT


class Deployments:
    """Reads and changes deployments."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def all(self, pool: str | None) -> Sequence[Deployment]:
        """See `Store.deployments`."""
        found = [decode(DEPLOYMENT, item) for item in self._table.query(keys.DEPLOYMENTS)]
        return sorted((each for each in found if pool in (None, each.pool)), key=lambda each: each.name)

    def read(self, name: str) -> Deployment | None:
        """See `Store.deployment`."""
        item = self._table.items([keys.deployment(name)]).get(keys.deployment(name))
        return decode(DEPLOYMENT, item) if item else None

    def save(self, deployment: Deployment, expected_version: int | None) -> Deployment:
        """See `Store.save_deployment`."""
        for _ in self._table.rounds(f"deployment {deployment.name!r} was not saved"):
            self._expect(deployment, expected_version)
            token = self._table.new_token()
            saved, actions = self.saving(deployment, expected_version, token)
            refused = self._table.transact({**actions, **changed(token)}, token)
            if not refused:
                return saved
            if refused == {keys.door(saved.pool, saved.queue)}:
                raise refusals.no_queue(saved.pool, saved.queue)
        raise AssertionError  # the rounds end by an error

    def saving(self, deployment: Deployment, expected_version: int | None, token: str) -> tuple[Deployment, Actions]:
        """The deployment as it will be read, and what saves it, if its version is the expected one and its queue has a door."""
        saved = replace(deployment, version=(expected_version or 0) + 1)
        saved = DEPLOYMENT.decode(list(DEPLOYMENT.encode(saved).values()))
        item = {**encode(DEPLOYMENT, saved), "revision": {"S": token}}
        return saved, {
            keys.deployment(saved.name): ("Put", {"Item": item, **_unchanged(expected_version)}),
            keys.door(saved.pool, saved.queue): ("ConditionCheck", {"ConditionExpression": "attribute_exists(pk)"}),
        }

    def restore(self, deployment: Deployment) -> None:
        """See `Store.restore`: as it is given; one that is there is left alone."""
        token = self._table.new_token()
        item = {**encode(DEPLOYMENT, deployment), "revision": {"S": token}}
        self._table.transact({keys.deployment(deployment.name): ("Put", {"Item": item, **_unchanged(None)})}, token)

    def delete(self, name: str) -> None:
        """See `Store.delete_deployment`."""
        token = self._table.new_token()
        if self._table.transact({**self.leaving(name), **changed(token)}, token):
            raise refusals.no_deployment(name)

    def leaving(self, name: str) -> Actions:
        """What takes a deployment away, if it is there."""
        return {keys.deployment(name): ("Delete", {"ConditionExpression": "attribute_exists(pk)"})}

    def _expect(self, deployment: Deployment, version: int | None) -> None:
        stored = self.read(deployment.name)
        if version is None and stored:
            raise refusals.deployment_exists(deployment.name)
        if version is not None and not stored:
            raise refusals.no_deployment(deployment.name)
        if version is not None and stored and stored.version != version:
            raise refusals.deployment_changed(deployment.name, version, stored.version)


def _unchanged(version: int | None) -> Mapping[str, Any]:
    if version is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    values = {":expected": typed(version)}
    return {
        "ConditionExpression": "#version = :expected",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": values,
    }
