"""A small Hub over HTTP on loopback: repositories of models and datasets in memory, as huggingface_hub speaks to one.

    with LocalHub() as hub:
        subprocess.run([...], env=hub.environment(home))

Clients read HF_ENDPOINT when they are imported, so they run in processes of their own. Every write wants the token
that `environment` gives. `refuse` makes the hub answer as told; `requests` and `uploads` tell what was asked of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import parse_qs, unquote, urlsplit

from local_hub_files import LARGE, Repository, entry_of, folder_of, yaml_errors

TOKEN = "hf_localtokenthatmaywrite"
READ_TOKEN = "hf_localtokenthatmayread"
NAME = r"(?P<id>[\w.-]+/[\w.-]+)"
API = rf"/api/(?P<type>model|dataset)s/{NAME}"
DATE = "2025-01-01T00:00:00.000Z"


class LocalHub:
    """The server, as a context.

    Attributes:
        url: What HF_ENDPOINT is to be.
        repositories: (`dataset` or `model`, name) -> repository.
        requests: Every request so far: `METHOD /path`.
        uploads: Names (SHA-256) of the large files that were sent.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[str] = []
        self.uploads: list[str] = []
        self.stored: dict[str, bytes] = {}
        self.refusals: list[tuple[re.Pattern, int, str, dict[str, str]]] = []
        self.lock = Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> LocalHub:
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def refuse(self, request: str, status: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        """Answer requests that match the pattern, such as `POST /api/repos/create`, with an error from now on."""
        self.refusals.append((re.compile(request), status, message, headers or {}))

    def environment(self, home: object, token: str | None = TOKEN) -> dict[str, str]:
        """Variables for a client's process; `home` is a folder for its cache."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        given = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        return kept | given | ({} if token is None else {"HF_TOKEN": token})


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.body = self._read()
        request = f"{self.command} {unquote(path)}"
        with self.hub.lock:
            self.hub.requests.append(request)
            for pattern, status, message, headers in self.hub.refusals:
                if pattern.search(request):
                    return self._error(status, message, headers)
            for method, route, answer in _ROUTES:
                found = re.fullmatch(route, path)
                if found and self.command in method.split():
                    return answer(self, **{name: unquote(v) for name, v in found.groupdict().items() if v is not None})
        return self._error(404, f"no such page: {request}")

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, content: object, status: int = 200, **headers: str) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})

    def _error(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._json({"error": message}, status, **{"X-Error-Message": message, **(headers or {})})

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _may_write(self) -> bool:
        if self._token() == TOKEN:
            return True
        if self._token() == READ_TOKEN:
            self._error(403, "you may only read")
        else:
            self._error(
                401,
                "Invalid credentials in Authorization header" if self._token() else "Invalid username or password.",
            )
        return False

    def _repository(self, kind: str, name: str) -> Repository | None:
        found = self.hub.repositories.get((kind, name))
        if found is None or (found.private and self._token() not in (TOKEN, READ_TOKEN)):
            self._error(404 if self._token() else 401, "Repository not found", {"X-Error-Code": "RepoNotFound"})
            return None
        return found

    def _commit_of(self, repository: Repository, revision: str) -> str | None:
        found = repository.branches.get(revision, revision)
        if found not in repository.commits:
            self._error(404, f"Invalid rev id: {revision}", {"X-Error-Code": "RevisionNotFound"})
            return None
        return found

    def whoami(self) -> None:
        if self._token() in (TOKEN, READ_TOKEN):
            return self._json({"type": "user", "name": "tester", "fullname": "Tester", "orgs": []})
        return self._error(401, "Invalid username or password.")

    def create(self) -> None:
        if not self._may_write():
            return None
        asked = json.loads(self.body)
        kind, name = asked.get("type") or "model", f"{asked.get('organization') or 'tester'}/{asked['name']}"
        url = f"{self.hub.url}/{'datasets/' if kind == 'dataset' else ''}{name}"
        if (kind, name) in self.hub.repositories:
            return self._json({"error": "You already created this repo", "url": url}, 409)
        made = Repository(private=bool(asked.get("private")) or asked.get("visibility") == "private")
        made.commit("main", {".gitattributes": b"*.parquet filter=lfs\n"}, "initial commit")
        self.hub.repositories[kind, name] = made
        return self._json({"url": url, "name": name})

    def info(self, type: str, id: str, revision: str = "main") -> None:
        found = self._repository(type, id)
        if found is None or (commit := self._commit_of(found, revision)) is None:
            return None
        files = [{"rfilename": path} for path in sorted(found.commits[commit])]
        about = {
            "id": id,
            "sha": commit,
            "private": found.private,
            "siblings": files,
            "tags": [],
            "lastModified": DATE,
        }
        return self._json({**about, "downloads": 0, "likes": 0, "disabled": False, "gated": False, "createdAt": DATE})

    def tree(self, type: str, id: str, revision: str, path: str = "") -> None:
        found = self._repository(type, id)
        if found is None or (commit := self._commit_of(found, revision)) is None:
            return None
        files = found.commits[commit]
        below = f"{path.strip('/')}/" if path.strip("/") else ""
        inside = [name for name in sorted(files) if name.startswith(below)]
        if below and not inside:
            return self._error(404, f"{path} does not exist", {"X-Error-Code": "EntryNotFound"})
        recursive = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() in ("true", "1")
        folders: dict[str, None] = {}
        for name in inside:
            parts = name[len(below) :].split("/")[:-1]
            for depth in range(1, len(parts) + 1 if recursive else min(2, len(parts) + 1)):
                folders[below + "/".join(parts[:depth])] = None
        shown = [name for name in inside if recursive or "/" not in name[len(below) :]]
        return self._json([folder_of(name) for name in folders] + [entry_of(name, files[name]) for name in shown])

    def paths_info(self, type: str, id: str, revision: str) -> None:
        found = self._repository(type, id)
        if found is None or (commit := self._commit_of(found, revision)) is None:
            return None
        files = found.commits[commit]
        known = []
        for path in parse_qs(self.body.decode()).get("paths", []):
            if path in files:
                known.append(entry_of(path, files[path]))
            elif any(name.startswith(f"{path}/") for name in files):
                known.append(folder_of(path))
        return self._json(known)

    def preupload(self, type: str, id: str, revision: str) -> None:
        if not self._may_write() or (found := self._repository(type, id)) is None:
            return None
        there = found.files(revision)
        answers = []
        for file in json.loads(self.body)["files"]:
            path = file["path"]
            answer = {"path": path, "uploadMode": "lfs" if path.endswith(LARGE) else "regular", "shouldIgnore": False}
            if path in there:
                entry = entry_of(path, there[path])
                answer["oid"] = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
            answers.append(answer)
        return self._json({"files": answers})

    def lfs_batch(self, id: str) -> None:
        if not self._may_write():
            return None
        objects = []
        for one in json.loads(self.body)["objects"]:
            answer = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.stored:
                links = {"upload": f"/lfs/{one['oid']}", "verify": "/lfs/verify"}
                answer["actions"] = {name: {"href": self.hub.url + link} for name, link in links.items()}
            objects.append(answer)
        return self._json({"transfer": "basic", "objects": objects})

    def lfs_upload(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self._error(400, "the content is not what its name says")
        self.hub.stored[oid] = self.body
        self.hub.uploads.append(oid)
        return self._send(200, b"", {})

    def lfs_verify(self) -> None:
        asked = json.loads(self.body)
        if len(self.hub.stored.get(asked["oid"], b"")) != asked["size"]:
            return self._error(404, "not uploaded")
        return self._send(200, b"", {})

    def commit(self, type: str, id: str, revision: str) -> None:
        if not self._may_write() or (found := self._repository(type, id)) is None:
            return None
        files, message = dict(found.files(revision)), ""
        for line in self.body.decode().splitlines():
            key, value = (operation := json.loads(line))["key"], operation["value"]
            if key == "header":
                message = value["summary"]
                if value.get("parentCommit", found.branches[revision]) != found.branches[revision]:
                    return self._error(412, "A commit has happened since. Please refresh and try again.")
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
            elif key == "deletedFolder":
                files = {path: content for path, content in files.items() if not path.startswith(value["path"])}
        made = found.commit(revision, files, message)
        return self._json({"commitOid": made, "commitUrl": f"{self.hub.url}/{id}/commit/{made}", "success": True})

    def branch(self, type: str, id: str, revision: str) -> None:
        if not self._may_write() or (found := self._repository(type, id)) is None:
            return None
        found.branches.setdefault(revision, found.branches["main"])
        return self._json({})

    def validate_yaml(self) -> None:
        errors = yaml_errors(json.loads(self.body)["content"])
        self._json({"errors": [{"message": one} for one in errors], "warnings": []}, 400 if errors else 200)

    def resolve(self, id: str, revision: str, path: str, type: str = "models") -> None:
        found = self._repository(type.rstrip("s"), id)
        if found is None or (commit := self._commit_of(found, revision)) is None:
            return None
        content = found.commits[commit].get(path)
        if content is None:
            return self._error(404, "Entry not found", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        entry = entry_of(path, content)
        etag = f'"{entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]}"'
        headers = {
            "X-Repo-Commit": commit,
            "ETag": etag,
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }
        if "lfs" in entry:
            headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(content))}
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return self._send(200, content, headers)
        size = len(content)
        first = int(asked[1]) if asked[1] else size - int(asked[2])
        last = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
        if first >= size:
            return self._send(416, b"", {"Content-Range": f"bytes */{size}"})
        return self._send(206, content[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{size}"})


_ROUTES = [
    ("GET", "/api/whoami-v2", _Handler.whoami),
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate_yaml),
    ("GET", API, _Handler.info),
    ("GET", rf"{API}/revision/(?P<revision>[^/]+)", _Handler.info),
    ("GET", rf"{API}/tree/(?P<revision>[^/]+)(?P<path>/.*)?", _Handler.tree),
    ("POST", rf"{API}/paths-info/(?P<revision>[^/]+)", _Handler.paths_info),
    ("POST", rf"{API}/preupload/(?P<revision>[^/]+)", _Handler.preupload),
    ("POST", rf"{API}/commit/(?P<revision>[^/]+)", _Handler.commit),
    ("POST", rf"{API}/branch/(?P<revision>[^/]+)", _Handler.branch),
    ("POST", rf"/(?:datasets/)?{NAME}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("PUT", "/lfs/(?P<oid>[0-9a-f]{64})", _Handler.lfs_upload),
    ("POST", "/lfs/verify", _Handler.lfs_verify),
    ("GET HEAD", rf"/(?:(?P<type>datasets)/)?{NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
]
