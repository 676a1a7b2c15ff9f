"""A local server that speaks the part of the Hub's HTTP API that loading models and streaming datasets use."""

import datetime
import hashlib
import json
import os
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

IMPATIENT = "import time\nsleep = time.sleep\ntime.sleep = lambda seconds: sleep(min(seconds, 0.02))\n"
"""As `sitecustomize.py` on the path of a process this lets it wait for nothing long: the Hub's library tries again for half a minute."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


CARD = """---
configs:
- config_name: reviews
  default: true
  data_files:
  - split: train
    path: reviews/train-*.parquet
  - split: test
    path: reviews/test.csv
- config_name: chats
  data_files: chats/*.jsonl
---
Reviews and chats.
"""
_DATASET_API = re.compile(r"/api/datasets/([\w-]+/[\w-]+)(?:/(revision|tree|paths-info)/([\w.-]+)/?(.*))?")
_DATASET_FILE = re.compile(r"/datasets/([\w-]+/[\w-]+)/resolve/([\w.-]+)/(.+)")


def write_dataset(folder):
    """A dataset as people put it on the Hub: two configs, three formats, classes by number, a date, pictures, turns of unlike keys."""
    import pyarrow
    from pyarrow import parquet

    for name in ("reviews", "chats"):
        (folder / name).mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": ["bad", "good"], "_type": "ClassLabel"},
                "written": {"dtype": "date32", "_type": "Value"}, "picture": {"_type": "Image"}}  # fmt: skip
    described = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    picture = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    for part in range(2):
        numbers = range(part * 30, part * 30 + 30)
        columns = {
            "text": [f"Review {number}" for number in numbers], "label": [number % 2 for number in numbers],
            "written": [datetime.date(2024, 1, 1 + number % 28) for number in numbers],
            "picture": pyarrow.array([{"bytes": b"\x89PNG\xff", "path": "/etc/hostname"} for _ in numbers], picture),
        }  # fmt: skip
        table = pyarrow.table(columns).replace_schema_metadata(described)
        parquet.write_table(table, folder / f"reviews/train-0000{part}.parquet", row_group_size=10)
    (folder / "reviews/test.csv").write_text('text,label\n"One, two",NA\nThree,\n')
    turns = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Ho.", "weight": 1}]
    rows = [{"messages": turns[: 1 + number % 2] + turns[1:], "topic": {"a": number} if number % 2 else "none"} for number in range(25)]
    (folder / "chats/one.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:20]))
    (folder / "chats/two.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[20:]))
    return folder


@contextmanager
def answering(hub):
    """The Hub while it answers."""
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


def way_to(hub, folder):
    """Variables by which a process finds it, and nothing else; ``folder`` is for what it keeps, and on its path."""
    (folder / "sitecustomize.py").write_text(IMPATIENT)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(folder / "home"),
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": path,
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


class Hub(ThreadingHTTPServer):
    """Serves folders as repositories of models and of datasets; those in ``gated`` answer as the Hub does without a token.

    ``said`` is what the Hub says of a model besides, by its name.
    ``moods`` are functions of a request (see `Answer`) that may answer it instead: true if they did.
    """

    daemon_threads = True

    def __init__(self, repositories, gated=(), datasets=None):
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories, self.gated, self.asked, self.commit = repositories, gated, [], COMMIT
        self.datasets, self.moods, self.said = datasets or {}, [], {}
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
        path = self.path.partition("?")[0]
        if asked := _DATASET_API.fullmatch(path) or _DATASET_FILE.fullmatch(path):
            return self.dataset(asked)
        file = re.fullmatch(r"/([\w-]+/[\w.-]+)/resolve/([\w.-]+)/([\w./-]+)", self.path.partition("?")[0])
        about = re.match(r"/api/models/([\w-]+/[\w.-]+)(/\w+)?", self.path)
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
            said = {"private": False, "gated": False, "tags": [], **self.server.said.get(name, {})}
            found = files if about[2] == "/tree" else {"id": name, "sha": commit, "siblings": files, **said}
            return self.reply(200, json.dumps(found).encode(), Content_Type="application/json", X_Repo_Commit=commit)
        path = folder / file[3]
        if not path.is_file():
            return self.reply(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        if any(mood(self) for mood in self.server.moods):
            return None
        return self.part_of(path, commit)

    def do_HEAD(self):
        return self.do_GET()

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self.posted = parse_qs(self.rfile.read(length).decode())
        return self.do_GET()

    # Datasets

    def dataset(self, asked):
        """What the Hub says of a dataset, or a part of one of its files."""
        if any(mood(self) for mood in self.server.moods):
            return None
        name, folder = asked[1], self.server.datasets.get(asked[1])
        is_file = asked.re is _DATASET_FILE
        if is_file and name in self.server.gated and not self.headers.get("Authorization"):
            return self.reply(401, X_Error_Code="GatedRepo", X_Error_Message="Access to this dataset is restricted")
        if folder is None:
            return self.reply(401, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        revision = asked[2] if is_file else asked[3]
        if revision not in (None, "main", COMMIT):
            return self.reply(404, X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id")
        if is_file:
            return self.part_of(folder / unquote(asked[3]))
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        if asked[2] == "tree":
            return self.say([about(folder, path) for path in self.below(folder / unquote(asked[4]))])
        if asked[2] == "paths-info":
            named = [folder / path for path in self.posted.get("paths", [])]
            return self.say([about(folder, path) for path in named if path.exists()])
        siblings = [{"rfilename": str(path.relative_to(folder))} for path in files]
        return self.say({"id": name, "sha": COMMIT, "siblings": siblings, "private": False, "gated": False, "tags": []})

    def below(self, folder):
        if not folder.is_dir():
            return []
        return sorted(folder.rglob("*") if "recursive=True" in self.path or "recursive=true" in self.path else folder.iterdir())

    def say(self, found):
        self.reply(200, json.dumps(found).encode(), Content_Type="application/json", X_Repo_Commit=COMMIT)

    def part_of(self, path, commit=COMMIT):
        """A file, or the bytes of it that are asked for."""
        if not path.is_file():
            return self.reply(404, X_Error_Code="EntryNotFound", X_Error_Message="Entry not found", X_Repo_Commit=commit)
        body = path.read_bytes()
        more = {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return self.reply(200, body, **more)
        first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
        return self.reply(206, body[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(body)}", **more)


def about(folder, path):
    """A file or a folder as the Hub lists it."""
    size = path.stat().st_size if path.is_file() else 0
    return {"type": "file" if path.is_file() else "directory", "path": str(path.relative_to(folder)), "size": size, "oid": "0" * 40}
