"""A local server that speaks the part of the Hub's HTTP API that loading uses."""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IMPATIENT = "import time\nsleep = time.sleep\ntime.sleep = lambda seconds: sleep(min(seconds, 0.02))\n"
"""As `sitecustomize.py` on the path of a process this lets it wait for nothing long: the Hub's library tries again for half a minute."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves folders as model repositories; those in ``gated`` answer as the Hub does without a token."""

    daemon_threads = True

    def __init__(self, repositories, gated=()):
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories, self.gated, self.asked, self.commit = repositories, gated, [], COMMIT
        self.address = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        file = re.fullmatch(r"/([\w-]+/[\w-]+)/resolve/([\w.-]+)/([\w./-]+)", self.path.partition("?")[0])
        about = re.match(r"/api/models/([\w-]+/[\w-]+)(/\w+)?", self.path)
        # A branch is at its newest commit; what is asked for by commit is of that one.
        commit = file[2] if file and len(file[2]) == 40 else self.server.commit
        name = file[1] if file else about[1] if about else ""
        if name in self.server.gated:
            return self.reply(401, X_Error_Code="GatedRepo", X_Error_Message="Access to this model is restricted")
        folder = self.server.repositories.get(name)
        if folder is None:
            return self.reply(404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        if about:
            files = [{"type": "file", "path": path.name, "rfilename": path.name, "size": path.stat().st_size, "oid": "0" * 40}
                     for path in sorted(folder.iterdir())]  # fmt: skip
            found = files if about[2] == "/tree" else {"id": name, "sha": commit, "siblings": files, "private": False, "tags": []}
            return self.reply(200, json.dumps(found).encode(), Content_Type="application/json", X_Repo_Commit=commit)
        path = folder / file[3]
        if not path.is_file():
            return self.reply(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        body = path.read_bytes()
        return self.reply(200, body, ETag=f'"{hashlib.sha256(body).hexdigest()}"', X_Repo_Commit=commit)

    def do_HEAD(self):
        return self.do_GET()
