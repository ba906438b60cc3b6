"""A small registry of images, as docker pull speaks with one: https://distribution.github.io/distribution/spec/api/."""

import base64
import gzip
import hashlib
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
USER, PASSWORD = "robot", "pass/word"


class Registry:
    """One image under any name but `missing`. Blobs wait for `gate`; `status` answers everything while it is set."""

    def __init__(self, files: bytes) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.status: int | None = None
        self.locked = False
        self.asked: Counter[str] = Counter()
        layer = gzip.compress(files, mtime=0)
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["true"]}}
        config["rootfs"] = {"type": "layers", "diff_ids": [digest(files)]}
        described = json.dumps(config).encode()
        self.blobs = {digest(blob): blob for blob in (layer, described)}
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": "application/vnd.docker.container.image.v1+json", **about(described)},
                "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", **about(layer)}],
            }
        ).encode()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"registry": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def about(blob: bytes) -> dict[str, object]:
    return {"size": len(blob), "digest": digest(blob)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: Registry

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        registry = self.registry
        kind = "manifests" if "/manifests/" in self.path else "blobs" if "/blobs/" in self.path else "base"
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if registry.status:
            return self.answer(registry.status, b"{}")
        if registry.locked and self.headers.get("Authorization") != f"Basic {token}":
            return self.refuse(401, "UNAUTHORIZED", "authentication required")
        if kind == "manifests" and "/missing/" in self.path:
            return self.refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
        registry.asked[f"{self.command} {kind}"] += 1
        if kind == "manifests":
            return self.answer(200, registry.manifest, MANIFEST, {"Docker-Content-Digest": digest(registry.manifest)})
        if kind == "blobs":
            registry.gate.wait(120)
            return self.answer(200, registry.blobs[self.path.rpartition("/")[2]], "application/octet-stream")
        return self.answer(200, b"{}")

    def refuse(self, status, code, message):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        return self.answer(status, body, extra={"WWW-Authenticate": 'Basic realm="here"'} if status == 401 else {})

    def answer(self, status, body, kind="application/json", extra=None):
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Docker-Distribution-Api-Version": "registry/2.0"}
        for name, value in {**headers, **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
