"""The operations of the API: create, get, list, patch, replace, delete, for Jobs, pods and plain objects alike."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from providers.emulators.kubernetes import checks
from providers.emulators.kubernetes.access import Attributes, Authorization
from providers.emulators.kubernetes.controller import Controller, Objects
from providers.emulators.kubernetes.kinds import ACCESS_REVIEW, EVENT, JOB, NAMESPACE, POD, QUOTA, ObjectKind, kind_at
from providers.emulators.kubernetes.refusals import Refusal, already_exists, conflict, forbidden, not_found, over_quota
from providers.emulators.kubernetes.routes import Call
from providers.emulators.kubernetes.selectors import by_fields, by_labels
from providers.emulators.kubernetes.workloads import Workload
from providers.emulators.web import Response

CONTINUATION_SECONDS = 300.0
"""How long a list's continuation token is valid."""

Item = dict[str, Any]


class Service:
    """One cluster's objects. Used under the book's lock."""

    def __init__(self, controller: Controller, access: Authorization, objects: Objects) -> None:
        self._controller, self._access, self._objects = controller, access, objects
        self._rests: dict[str, tuple[float, list[Item]]] = {}
        self._acts: Mapping[str, Callable[[Call], Response]] = {
            "create": self._create,
            "get": self._get,
            "list": self._list,
            "patch": self._patch,
            "update": self._update,
            "delete": self._delete,
        }

    def perform(self, call: Call, user: str) -> Response:
        """Carry out a call and return the answer. Raises `Refusal`."""
        if call.kind is ACCESS_REVIEW:
            return self._review(call, user)
        if call.part == "token":
            return self._token(call)
        if call.part == "log":
            return self._log(call)
        self._controller.settle()
        response = self._acts[call.verb](call)
        self._controller.settle()
        return response

    def _create(self, call: Call) -> Response:
        item, kind = self._body(call), call.kind
        metadata = item.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + secrets.token_hex(3)[:5]
        if kind is JOB:
            checks.check_shape(item, strict=call.query.get("fieldValidation") == "Strict")
            checks.check_job(item)
        if kind is POD:
            raise forbidden(kind, metadata.get("name", ""), "the emulator makes pods for Jobs alone")
        self._check_home(call, item)
        if self._object(kind, call.namespace, metadata["name"]) is not None:
            raise already_exists(kind, metadata["name"])
        if kind is JOB:
            self._check_quota(call.namespace, metadata["name"])
        made = self._complete(item, kind, call.namespace)
        if call.query.get("dryRun") == "All":
            return Response.json(made, status=201)
        if kind is JOB:
            return Response.json(self._controller.add(made).job(), status=201)
        self._objects[kind.name, call.namespace, metadata["name"]] = made
        return Response.json(made, status=201)

    def _complete(self, item: Item, kind: ObjectKind, namespace: str) -> Item:
        generated = {"uid": str(uuid.uuid4()), "creationTimestamp": self._controller.stamp(), "generation": 1}
        metadata = {**item["metadata"], **generated, **({"namespace": namespace} if kind.namespaced else {})}
        metadata["resourceVersion"] = str(self._controller.next_version())
        made = {**item, "apiVersion": kind.version, "kind": kind.name, "metadata": metadata}
        if kind is JOB:
            defaults = {"backoffLimit": 6, "completions": 1, "parallelism": 1, "suspend": False, "completionMode": "NonIndexed"}
            selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": generated["uid"]}}
            made["spec"] = {**defaults, "selector": selector, **item["spec"]}
            made.pop("status", None)
        return made

    def _check_home(self, call: Call, item: Item) -> None:
        inner = item["metadata"].get("namespace")
        if inner and inner != call.namespace:
            words = "the namespace of the provided object does not match the namespace sent on the request"
            raise Refusal("BadRequest", words)
        if not item["metadata"].get("name"):
            raise Refusal("Invalid", f"{call.kind.name} is invalid: metadata.name: Required value", kind=call.kind)
        if call.kind.namespaced and ("Namespace", "", call.namespace) not in self._objects:
            raise not_found(NAMESPACE, call.namespace)

    def _check_quota(self, namespace: str, name: str) -> None:
        used = sum(1 for home, _ in self._controller.workloads if home == namespace)
        for (kind, home, quota), item in self._objects.items():
            hard = (item.get("spec") or {}).get("hard", {}).get("count/jobs.batch")
            if kind == QUOTA.name and home == namespace and hard is not None and used >= int(hard):
                raise over_quota(name, quota, used, int(hard))

    def _get(self, call: Call) -> Response:
        return Response.json(self._shown(call))

    def _list(self, call: Call) -> Response:
        token = call.query.get("continue")
        if token:
            when, items = self._rests.pop(token, (float("-inf"), []))
            if self._controller.now() - when > CONTINUATION_SECONDS:
                words = "The provided continue parameter is too old to display a consistent list result."
                raise Refusal("Expired", words)
        else:
            items = self._selected(call)
        limit = int(call.query.get("limit") or 0) or len(items)
        metadata: Item = {"resourceVersion": str(self._controller.next_version())}
        if rest := items[limit:]:
            metadata |= {"continue": secrets.token_urlsafe(8), "remainingItemCount": len(rest)}
            self._rests[metadata["continue"]] = (self._controller.now(), rest)
        listed = {
            "kind": f"{call.kind.name}List",
            "apiVersion": call.kind.version,
            "metadata": metadata,
            "items": items[:limit],
        }
        return Response.json(listed)

    def _selected(self, call: Call) -> list[Item]:
        labelled = by_labels(call.query.get("labelSelector", ""))
        fielded = by_fields(call.query.get("fieldSelector", ""))
        every = sorted(self._every(call.kind), key=lambda item: str(item["metadata"]["name"]))
        return [
            item
            for item in every
            if call.namespace in ("", item["metadata"].get("namespace", ""))
            and labelled(item["metadata"].get("labels") or {})
            and fielded(item)
        ]

    def _every(self, kind: ObjectKind) -> list[Item]:
        if kind is JOB:
            return [workload.job() for workload in self._controller.workloads.values()]
        if kind is POD:
            return [workload.pod() for workload in self._controller.all() if workload.has_pod]
        if kind is EVENT:
            return list(self._controller.events())
        return [item for (name, _, _), item in self._objects.items() if name == kind.name]

    def _patch(self, call: Call) -> Response:
        if "json-patch" in call.content_type:
            raise Refusal("BadRequest", "the emulator knows merge patches alone")
        item = self._object(call.kind, call.namespace, call.name)
        if item is None and "apply-patch" in call.content_type:
            return self._create(call)
        return self._changed(call, merged(self._shown(call), self._body(call)))

    def _update(self, call: Call) -> Response:
        return self._changed(call, self._body(call))

    def _changed(self, call: Call, after: Item) -> Response:
        before = self._shown(call)
        version = (after.get("metadata") or {}).get("resourceVersion")
        if version and version != before["metadata"]["resourceVersion"]:
            raise conflict(
                call.kind, call.name, "the object has been modified; please apply your changes to the latest version"
            )
        after.pop("status", None)
        if call.kind is JOB:
            checks.check_change(before, after)
            workload = self._workload(call)
            workload.manifest = after
            self._controller.changed(workload)
            return Response.json(workload.job())
        after["metadata"]["resourceVersion"] = str(self._controller.next_version())
        self._objects[call.kind.name, call.namespace, call.name] = after
        return Response.json(after)

    def _delete(self, call: Call) -> Response:
        shown, options = self._shown(call), self._body(call)
        uid = (options.get("preconditions") or {}).get("uid")
        if uid and uid != shown["metadata"]["uid"]:
            words = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {shown['metadata']['uid']}"
            raise conflict(call.kind, call.name, words)
        policy = call.query.get("propagationPolicy") or options.get("propagationPolicy") or "Orphan"
        if call.kind is JOB and not self._controller.delete(self._workload(call), policy):
            return Response.json(self._workload(call).job())
        if call.kind is POD:
            self._controller.delete_pod(self._of_pod(call))
        self._objects.pop((call.kind.name, call.namespace, call.name), None)
        details = {"name": call.name, "group": call.kind.group, "kind": call.kind.plural, "uid": shown["metadata"]["uid"]}
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return Response.json(body)

    def _log(self, call: Call) -> Response:
        workload = self._of_pod(call)
        container = call.query.get("container") or workload.main["name"]
        if workload.run is None or workload.run.started_at is None:
            words = f'container "{container}" in pod "{call.name}" is waiting to start: ContainerCreating'
            raise Refusal("BadRequest", words)
        lines = workload.log.splitlines(keepends=True)
        tail = int(call.query.get("tailLines") or len(lines))
        body = "".join(lines[-tail:] if tail else []).encode()
        return Response(status=200, headers={"Content-Type": "text/plain"}, body=body)

    def _review(self, call: Call, user: str) -> Response:
        attributes = self._body(call)["spec"]["resourceAttributes"]
        kind = kind_at(attributes.get("group", ""), attributes["resource"])
        place = {"namespace": attributes.get("namespace", ""), "name": attributes.get("name", "")}
        allowed = kind is not None and self._access.allows(
            user,
            Attributes(verb=attributes["verb"], kind=kind, part=attributes.get("subresource", ""), **place),
            self._objects,
        )
        return Response.json({**self._body(call), "status": {"allowed": allowed}}, status=201)

    def _token(self, call: Call) -> Response:
        if call.verb != "create":
            raise Refusal("MethodNotAllowed", "a token can only be created")
        self._shown(call)
        token = self._access.token_for(call.namespace, call.name)
        status = {"token": token, "expirationTimestamp": self._controller.stamp(3600)}
        about = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {"name": call.name}}
        return Response.json({**about, "spec": {}, "status": status}, status=201)

    def _shown(self, call: Call) -> Item:
        item = self._object(call.kind, call.namespace, call.name)
        if item is None:
            raise not_found(call.kind, call.name)
        return item

    def _object(self, kind: ObjectKind, namespace: str, name: str) -> Item | None:
        if kind is JOB:
            workload = self._controller.workloads.get((namespace, name))
            return workload.job() if workload else None
        if kind is POD:
            pods = (workload for workload in self._controller.all() if workload.has_pod and workload.pod_name == name)
            return next((workload.pod() for workload in pods if workload.namespace == namespace), None)
        return self._objects.get((kind.name, namespace if kind.namespaced else "", name))

    def _workload(self, call: Call) -> Workload:
        return self._controller.workloads[call.namespace, call.name]

    def _of_pod(self, call: Call) -> Workload:
        for workload in self._controller.all():
            if workload.has_pod and (workload.namespace, workload.pod_name) == (call.namespace, call.name):
                return workload
        raise not_found(POD, call.name)

    @staticmethod
    def _body(call: Call) -> Item:
        try:
            body = json.loads(call.body) if call.body else {}
        except ValueError:
            body = _yaml(call)
        if not isinstance(body, dict):
            raise Refusal("BadRequest", "the body of the request is not an object")
        return body


def _yaml(call: Call) -> Any:
    """What `kubectl apply --server-side` sends."""
    if "yaml" not in call.content_type:
        raise Refusal("BadRequest", "the body of the request is not JSON")
    import yaml  # noqa: PLC0415 - only kubectl sends it

    return yaml.safe_load(call.body)


def merged(item: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    base = dict(item) if isinstance(item, dict) else {}
    for key, value in change.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base
