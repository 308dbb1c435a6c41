"""A hub of datasets and models that answers as Hugging Face's does, as far as its client asks to fetch from it.

It has the dataset ada/digits, the model ada/net, which is private, and the model ada/old, which has weights in an old format alone.
"""

import http.server
import json
import os

SHA = "c0ffee" + "0" * 34
REPOSITORIES = {
    "datasets/ada/digits": {"data/numbers.txt": b"1 2 3\n", "README.md": b"Digits.\n"},
    "models/ada/net": {"config.json": b"{}\n", "model.safetensors": b"weights\n", "model.bin": b"old weights\n"},
    "models/ada/old": {"model.bin": b"old weights\n"},
}
PRIVATE = {"models/ada/net"}


class Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        api = parts[0] == "api"
        if api:
            parts = parts[1:]
        elif parts[0] != "datasets":
            parts = ["models", *parts]
        name, what = "/".join(parts[:3]), parts[3:4]
        files = REPOSITORIES.get(name)
        if files is None or name in PRIVATE and self.headers.get("Authorization") != "Bearer let-me-in":
            return self.answer(401, b"", {"X-Error-Code": "RepoNotFound"})
        if api and what == ["tree"]:
            return self.json([{"type": "file", "path": f, "size": len(c), "oid": f"{len(c):040x}"} for f, c in files.items()])
        if api:
            return self.json({"id": "/".join(parts[1:3]), "sha": SHA, "siblings": [{"rfilename": f} for f in files]})
        content = files["/".join(parts[5:])]
        return self.answer(200, content, {"ETag": f'"{len(content):040x}"', "X-Repo-Commit": SHA})

    do_HEAD = do_GET

    def json(self, value):
        self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def answer(self, code, content, headers):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


http.server.ThreadingHTTPServer(("", int(os.environ.get("PORT", "80"))), Hub).serve_forever()
