"""A Hugging Face Hub on this machine: the part of its protocol that models need, spoken to the Hub's real client.

Two servers on loopback, as the Hub is two: one for repositories, and another origin that large files lie at, to which the
first sends clients on. Faults are switched on by ``hub.fault(...)``, and every request is kept in ``hub.requests``.
"""

import base64
import hashlib
import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_of_the_tests"


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Stored(NamedTuple):
    """A file of a commit; large ones lie at the other origin under their SHA-256."""

    content: bytes
    large: bool

    @property
    def tag(self):
        return hashlib.sha256(self.content).hexdigest() if self.large else git_hash(self.content)


@dataclass
class Repo:
    private: bool = False
    branches: dict = field(default_factory=lambda: {"main": None})
    commits: dict = field(default_factory=dict)
    messages: list = field(default_factory=list)

    def commit(self, files, branch="main", message=""):
        """Add files to a branch, as one commit; return its hash."""
        before = self.commits.get(self.branches[branch], {})
        state = {**before, **{path: Stored(content, path.endswith(".safetensors")) for path, content in files.items()}}
        text = repr((self.branches[branch], sorted((path, stored.tag) for path, stored in state.items())))
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha] = state
        self.branches[branch] = sha
        self.messages.append(message)
        return sha

    def find(self, revision):
        sha = self.branches.get(revision, revision)
        return sha if sha in self.commits or sha is None else "unknown"


@dataclass
class Fault:
    """What goes wrong with requests whose path holds ``path``, as often as ``times`` says."""

    path: str
    times: float
    status: int | None = None
    headers: dict = field(default_factory=dict)
    cut: bool = False
    flip: bool = False
    pause: float = 0.0  # before the answer
    crawl: float = 0.0  # between sixteenths of the body

    @property
    def of_body(self):
        return self.cut or self.flip or self.crawl


class Request(NamedTuple):
    method: str
    path: str
    headers: dict
    origin: str


class Hub:
    """The state of both servers; ``url`` is what HF_ENDPOINT is set to."""

    def __init__(self):
        self.repos, self.large, self.requests, self.faults = {}, {}, [], []
        self.answers = self.sent = 0  # answers begun, and bytes of their bodies
        self.lock = threading.RLock()

    def publish(self, name, folder, private=False, branch="main"):
        """Put a folder's files on a branch of a repository, as an owner would; return the commit."""
        repo = self.repos.setdefault(name, Repo(private))
        repo.branches.setdefault(branch, repo.branches["main"])
        return repo.commit({path.name: path.read_bytes() for path in folder.iterdir()}, branch)

    def fault(self, path="", times=float("inf"), **what):
        self.faults.append(Fault(path, times, **what))

    def take_fault(self, command, path):
        with self.lock:
            for fault in self.faults:
                if fault.path in path and fault.times > 0 and not (command == "HEAD" and fault.of_body):
                    fault.times -= 1
                    return fault
        return Fault("", 0)

    @contextmanager
    def serve(self):
        servers = []
        for origin, handler in (("hub", HubHandler), ("files", FilesHandler)):
            bound = type(handler.__name__, (handler,), {"hub": self, "origin": origin})
            server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            servers.append(server)
        self.url, self.files_url = (f"http://127.0.0.1:{server.server_port}" for server in servers)
        try:
            yield self
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle(self):
        try:
            super().handle()
        except ConnectionError:  # clients may be killed
            self.close_connection = True

    def dispatch(self):
        quoted = urlsplit(self.path).path
        path = unquote(quoted)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.body = b"".join(iter(self.read_chunk, b""))
        self.hub.requests.append(Request(self.command, path, dict(self.headers), self.origin))
        self.fault = self.hub.take_fault(self.command, path)
        time.sleep(self.fault.pause)
        if self.fault.status:
            return self.refuse(self.fault.status, **self.fault.headers)
        for method, pattern, answer in self.routes:
            match = re.fullmatch(pattern, quoted)
            if match and self.command in method.split():
                with self.hub.lock if self.command == "POST" else _nothing():
                    return answer(self, *(part and unquote(part) for part in match.groups()))
        return self.refuse(404)

    do_GET = do_HEAD = do_POST = do_PUT = dispatch  # noqa: N815

    def read_chunk(self):
        size = int(self.rfile.readline(), 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def answer(self, content=b"", status=200, **headers):
        """Send a body with the faults of this request."""
        body = bytearray(content)
        if self.fault.flip and body:
            body[len(body) // 2] ^= 1
        self.hub.answers += 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault.cut and body:
            self.close_connection = True
            body = body[: len(body) // 2]
        step = max(1, len(body) // 16) if self.fault.crawl else 2**18
        for start in range(0, len(body), step):
            self.hub.sent += self.wfile.write(body[start : start + step])
            time.sleep(self.fault.crawl)

    def answer_json(self, value, status=200):
        self.answer(json.dumps(value).encode(), status, Content_Type="application/json")

    def refuse(self, status, **headers):
        self.answer(b"", status, **headers)


@contextmanager
def _nothing():
    yield


class HubHandler(Handler):
    """The Hub itself: who may see what, what lies where, and what a commit is."""

    def find_repo(self, name, write=False):
        """Return a repository, or answer as the Hub does to those who may not know of it."""
        given = self.headers.get("Authorization")
        if given not in (None, f"Bearer {TOKEN}"):
            return self.refuse(401, X_Error_Message="Invalid credentials in Authorization header")
        repo = self.hub.repos.get(name)
        if given is None and (repo is None or repo.private or write):
            return self.refuse(401, X_Error_Code="RepoNotFound", X_Error_Message="Invalid username or password.")
        if repo is None:
            return self.refuse(404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        return repo

    def find_state(self, name, revision):
        """Return a commit and its files."""
        repo = self.find_repo(name)
        if repo is None:
            return None, None
        sha = repo.find(revision)
        if sha == "unknown":
            self.refuse(404, X_Error_Code="RevisionNotFound", X_Error_Message=f"Invalid rev id: {revision}")
            return None, None
        return sha, repo.commits.get(sha, {})

    def resolve(self, name, revision, path):
        """Send a small file's client on to the file's address by commit, a large one's to the other origin."""
        sha, files = self.find_state(name, revision)
        if files is None:
            return None
        if path not in files:
            return self.refuse(404, X_Error_Code="EntryNotFound", X_Error_Message="Entry not found", X_Repo_Commit=sha)
        stored, headers = files[path], {"X_Repo_Commit": sha}
        if stored.large:
            self.hub.large[stored.tag] = stored.content
            headers |= {"X_Linked_Size": str(len(stored.content)), "X_Linked_ETag": f'"{stored.tag}"'}
            return self.answer(status=302, Location=f"{self.hub.files_url}/{stored.tag}?signed", **headers)
        return self.answer(status=307, Location=f"/api/resolve-cache/models/{name}/{sha}/{path}", **headers)

    def resolve_cache(self, name, revision, path):
        sha, files = self.find_state(name, revision)
        if files is not None:
            self.answer(files[path].content, X_Repo_Commit=sha, ETag=f'"{files[path].tag}"')

    def model_info(self, name, _, revision):
        sha, files = self.find_state(name, revision or "main")
        if files is not None:
            entries = [{"rfilename": path, "size": len(each.content)} for path, each in files.items()]
            private = self.hub.repos[name].private
            self.answer_json({"_id": "0", "id": name, "sha": sha, "private": private, "siblings": entries, "tags": []})

    def tree(self, name, revision):
        _, files = self.find_state(name, revision)
        if files is not None:
            self.answer_json([self.tree_entry(path, each) for path, each in files.items()])

    def tree_entry(self, path, stored):
        entry = {"type": "file", "path": path, "size": len(stored.content), "oid": git_hash(stored.content)}
        if stored.large:
            entry["lfs"] = {"oid": stored.tag, "size": len(stored.content), "pointerSize": 134}
        return entry

    def create_repo(self):
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(401, X_Error_Message="Invalid credentials in Authorization header")
        if name in self.hub.repos:
            return self.answer_json(
                {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"}, 409
            )
        self.hub.repos[name] = Repo(asked.get("visibility") == "private")
        return self.answer_json({"url": f"{self.hub.url}/{name}", "name": name})

    def create_branch(self, name, branch):
        repo = self.find_repo(name, write=True)
        if repo is None:
            return None
        if branch in repo.branches:
            return self.answer_json({"error": "Reference already exists"}, 409)
        repo.branches[branch] = repo.branches["main"]
        return self.answer_json({}, 201)

    def validate_yaml(self):
        """Refuse a card whose metadata is not what the Hub reads."""
        try:
            metadata = yaml.safe_load(json.loads(self.body)["content"].split("---\n")[1])
            errors = [f"{key} is missing" for key in ("license", "library_name") if key not in metadata]
        except (yaml.YAMLError, IndexError) as error:
            errors = [str(error)]
        found = {"errors": [{"message": text} for text in errors], "warnings": []}
        self.answer_json(found, 400 if errors else 200)

    def preupload(self, name, _revision):
        if self.find_repo(name, write=True) is not None:
            modes = {True: "lfs", False: "regular"}
            files = [file["path"] for file in json.loads(self.body)["files"]]
            answer = [
                {"path": path, "uploadMode": modes[path.endswith(".safetensors")], "shouldIgnore": False, "oid": None}
                for path in files
            ]
            self.answer_json({"files": answer})

    def lfs_batch(self, name):
        if self.find_repo(name, write=True) is not None:
            objects = [self.lfs_object(each["oid"], each["size"]) for each in json.loads(self.body)["objects"]]
            self.answer_json({"transfer": "basic", "objects": objects})

    def lfs_object(self, oid, size):
        if oid in self.hub.large:
            return {"oid": oid, "size": size}
        upload, verify = {"href": f"{self.hub.files_url}/{oid}"}, {"href": f"{self.hub.url}/lfs-verify"}
        return {"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}}

    def lfs_verify(self):
        asked = json.loads(self.body)
        if len(self.hub.large.get(asked["oid"], b"")) != asked["size"]:
            return self.refuse(404)
        return self.answer_json({})

    def commit(self, name, branch):
        repo = self.find_repo(name, write=True)
        if repo is None:
            return None
        if branch not in repo.branches:
            return self.refuse(404, X_Error_Code="RevisionNotFound", X_Error_Message=f"Invalid rev id: {branch}")
        files, summary = {}, ""
        for line in self.body.splitlines():
            key, value = json.loads(line).values()
            if key == "header":
                summary = value["summary"]
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
        sha = repo.commit(files, branch, summary)
        return self.answer_json({"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{name}/commit/{sha}"})

    routes = (
        ("GET HEAD", r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", resolve),
        ("GET HEAD", r"/api/resolve-cache/models/([^/]+/[^/]+)/([^/]+)/(.+)", resolve_cache),
        ("GET", r"/api/models/([^/]+/[^/]+)(/revision/([^/]+))?", model_info),
        ("GET", r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", tree),
        ("POST", r"/api/repos/create", create_repo),
        ("POST", r"/api/models/([^/]+/[^/]+)/branch/([^/]+)", create_branch),
        ("POST", r"/api/validate-yaml", validate_yaml),
        ("POST", r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)", preupload),
        ("POST", r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", lfs_batch),
        ("POST", r"/lfs-verify", lfs_verify),
        ("POST", r"/api/models/([^/]+/[^/]+)/commit/([^/]+)", commit),
    )


class FilesHandler(Handler):
    """The other origin: large files by their SHA-256, put and got by whoever has the address."""

    def get(self, oid):
        if oid not in self.hub.large:
            return self.refuse(404)
        return self.answer(self.hub.large[oid])

    def put(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.refuse(400)
        self.hub.large[oid] = self.body
        return self.answer()

    routes = (("GET HEAD", r"/([0-9a-f]{64})", get), ("PUT", r"/([0-9a-f]{64})", put))
