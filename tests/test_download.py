"""The download, against a local server that fails in every way first."""

import gzip
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from torchvision import datasets

from first_gan.data import FILES, DataError, raw_folder
from first_gan.data.download import download

CONTENT = {f"{name}.gz": gzip.compress(name.encode() * 5000) for name in FILES}


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; the first answers to each file fail as `failures` says."""

    failures: list[str]
    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.split("/")[-1]
        earlier = sum(path.endswith(name) for path in self.server.asked)
        self.server.asked.append(self.path)
        failure = self.server.failures[earlier] if earlier < len(self.server.failures) else ""
        if failure == "404":
            self.send_error(404)
            return
        body = CONTENT[name] if failure != "wrong" else CONTENT[name][::-1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if failure == "cut" else body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.failures, server.asked = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{address}/a/", f"{address}/b/"])
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in CONTENT.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", sums)
    yield server
    server.shutdown()
    server.server_close()


def test_each_failure_is_retried_on_the_next_mirror(server: Server, tmp_path: Path) -> None:
    server.failures = ["404", "cut", "wrong"]
    download(tmp_path / "new" / "data", "mnist")
    raw = raw_folder(tmp_path / "new" / "data", "mnist")
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == {name: name.encode() * 5000 for name in FILES}
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]
    first = [path for path in server.asked if path.endswith(f"{FILES[0]}.gz")]
    assert [path.split("/")[1] for path in first] == ["a", "b", "a", "b"]


def test_a_stray_file_in_the_folder_does_not_get_in_the_way(server: Server, tmp_path: Path) -> None:
    raw = raw_folder(tmp_path, "mnist")
    raw.mkdir(parents=True)
    (raw / ".DS_Store").write_text("", encoding="utf-8")
    download(tmp_path, "mnist")
    assert {path.name for path in raw.iterdir()} == {".DS_Store", *FILES}


@pytest.mark.parametrize(
    ("failure", "message"), [("404", "Not Found"), ("cut", "cut short"), ("wrong", "wrong checksum")]
)
def test_when_all_mirrors_fail_nothing_is_left(server: Server, failure: str, message: str, tmp_path: Path) -> None:
    server.failures = [failure] * 4
    with pytest.raises(DataError, match=message):
        download(tmp_path / "new" / "data", "mnist")
    assert list(tmp_path.iterdir()) == []


def test_the_last_file_failing_leaves_nothing_and_what_was_there_stays(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    sums = [*datasets.MNIST.resources[:3], (datasets.MNIST.resources[3][0], "0" * 32)]
    monkeypatch.setattr(datasets.MNIST, "resources", sums)
    with pytest.raises(DataError, match=f"{FILES[3]}.gz: .*wrong checksum"):
        download(tmp_path, "mnist")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
