"""Published files come whole and verified, from a mirror or a URL (a server on this machine)."""

from __future__ import annotations

import hashlib
import http.server
import json
import socket
import threading
from pathlib import Path

import pytest

from ulmfit.cli import main
from ulmfit.config.recipes import to_dict
from ulmfit.config.study import SourceFile
from ulmfit.data import fetch as fetching
from ulmfit.data.fetch import ATTEMPTS, CHUNK, fetch
from ulmfit.errors import UserError

CONTENT = bytes(range(256)) * (CHUNK // 128)  # two chunks


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT under every path but /absent, in ways that a test chooses."""

    sent = CONTENT
    announced: int | None = None
    ranges = True
    chunked = False
    end = b"0\r\n\r\n"  # of a body in chunks
    cuts: tuple[int, ...] = ()  # bytes that the first answers send
    failing: tuple[int, ...] = ()  # statuses of the first answers
    asked: list[str | None]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self):
        self.close_connection = True
        wanted = self.headers["Range"]
        self.server.asked.append(wanted)
        if self.path == "/absent":
            return self.send_error(404)
        if len(self.server.asked) <= len(self.server.failing):
            return self.send_error(self.server.failing[len(self.server.asked) - 1])
        start = 0
        if wanted and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.server.sent):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        sent = self.server.sent[start:]
        if self.server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            return self.wfile.write(b"%x\r\n%b\r\n%b" % (len(sent), sent, self.server.end))
        self.send_header("Content-Length", str(self.server.announced or len(CONTENT) - start))
        self.end_headers()
        if len(self.server.asked) <= len(self.server.cuts):
            sent = sent[: self.server.cuts[len(self.server.asked) - 1]]
        return self.wfile.write(sent)

    def log_message(self, *arguments):
        pass


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(fetching, "PAUSE_S", 0)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def published(*urls: str, content: bytes = CONTENT, name: str = "set/data.bin") -> SourceFile:
    digest = hashlib.sha256(content).hexdigest()
    return SourceFile(name=name, urls=urls, bytes=len(content), sha256=digest)


def address(server: Server, path: str = "/data.bin") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def part(output: Path) -> Path:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return output.with_name(f".{output.name}.{digest[:16]}.part")


def mirror_of(tmp_path: Path, content: bytes, name: str = "set/data.bin") -> Path:
    path = tmp_path / "mirror" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return tmp_path / "mirror"


def test_a_mirror_comes_before_any_url(server, tmp_path):
    output = tmp_path / "resources/data.bin"
    fetch([published(address(server))], output, mirror_of(tmp_path, CONTENT))
    assert output.read_bytes() == CONTENT
    assert not server.asked


def test_a_file_that_the_mirror_lacks_is_downloaded(server, tmp_path, capsys):
    (tmp_path / "mirror").mkdir()
    output = tmp_path / "resources/data.bin"
    fetch([published(address(server))], output, tmp_path / "mirror")
    assert output.read_bytes() == CONTENT
    assert [path.name for path in output.parent.iterdir()] == ["data.bin"]
    assert "data.bin, MiB: 2 in" in capsys.readouterr().err


def test_every_published_form_is_looked_for_in_the_mirror_before_the_network(server, tmp_path):
    mirror = mirror_of(tmp_path, b"other form", "set/other.bin")
    other = published(content=b"other form", name="set/other.bin")
    fetch([published(address(server)), other], tmp_path / "data.bin", mirror)
    assert (tmp_path / "data.bin").read_bytes() == b"other form"
    assert not server.asked


def test_an_unknown_file_in_the_mirror_is_refused_by_name_with_both_digests(tmp_path):
    mirror = mirror_of(tmp_path, b"altered")
    found, expected = (hashlib.sha256(content).hexdigest() for content in (b"altered", CONTENT))
    with pytest.raises(UserError, match=rf"data\.bin is not .* {found}.* {expected}.*: replace it"):
        fetch([published()], tmp_path / "data.bin", mirror)
    assert not (tmp_path / "data.bin").exists()


def test_an_md5_is_enough_where_nothing_else_is_published(tmp_path):
    version = SourceFile(name="a", bytes=3, md5=hashlib.md5(b"abc").hexdigest())
    fetch([version], tmp_path / "a", mirror_of(tmp_path, b"abc", "a"))
    (tmp_path / "mirror/a").write_bytes(b"abd")
    with pytest.raises(UserError, match=r"a is not the published file: .*expected md5 "):
        fetch([version], tmp_path / "a", tmp_path / "mirror")


def test_a_missing_mirror_is_named(tmp_path):
    with pytest.raises(UserError, match=r"data_mirror: .*nowhere: no such folder"):
        fetch([published()], tmp_path / "data.bin", tmp_path / "nowhere")


def test_a_download_goes_on_where_an_earlier_command_was_cut_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    server.sent = CONTENT[: CHUNK + 5]
    version = published(address(server))
    output = tmp_path / "data.bin"
    with pytest.raises(UserError, match=rf"cut off after {CHUNK + 5} of {len(CONTENT)} bytes; run"):
        fetch([version], output)
    assert part(output).stat().st_size == CHUNK + 5
    server.sent = CONTENT
    fetch([version], output)
    assert output.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={CHUNK + 5}-"]
    assert not part(output).exists()


def test_a_part_longer_than_what_a_server_has_is_dropped(server, tmp_path):
    server.sent = CONTENT[:9]
    output = tmp_path / "data.bin"
    part(output).write_bytes(CONTENT[:10])
    with pytest.raises(UserError, match="416 Requested Range Not Satisfiable"):
        fetch([published(address(server))], output)
    assert not part(output).exists()


def test_the_command_searches_the_mirror_of_the_environment(monkeypatch, tmp_path, capsys):
    versions = json.dumps([to_dict(published())])
    command = ["fetch", "--versions", versions, "--output", str(tmp_path / "data.bin")]
    monkeypatch.setenv("ULMFIT_DATA_MIRROR", "")
    assert main(command) == 1
    assert capsys.readouterr().err.startswith("ulmfit fetch: cannot fetch data.bin: it has no URL")
    monkeypatch.setenv("ULMFIT_DATA_MIRROR", str(mirror_of(tmp_path, CONTENT)))
    assert main(command) == 0
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_anew(server, tmp_path):
    server.ranges = False
    output = tmp_path / "data.bin"
    part(output).write_bytes(CONTENT[:100])
    fetch([published(address(server))], output)
    assert output.read_bytes() == CONTENT


def test_a_url_that_sends_something_else_is_left_for_the_next(server, tmp_path):
    server.sent = b"x" * len(CONTENT)
    output = tmp_path / "data.bin"
    with pytest.raises(UserError, match=r"what it sends is not the published file: sha256 .*exp"):
        fetch([published(address(server))], output)
    assert not list(tmp_path.iterdir())


def test_a_url_that_sends_too_much_is_cut_and_refused(server, tmp_path):
    server.sent, server.chunked = CONTENT * 3, True
    with pytest.raises(UserError, match="what it sends is not the published file"):
        fetch([published(address(server))], tmp_path / "data.bin")


@pytest.mark.parametrize("content", [b"<html>Please log in.</html>", CONTENT * 2])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_page_in_place_of_the_file_is_no_cut_off_download(server, tmp_path, content, chunked):
    server.sent, server.chunked = content, chunked
    server.announced = len(content)
    output = tmp_path / "data.bin"
    with pytest.raises(UserError, match=r"data\.bin: (sends|what it sends)") as caught:
        fetch([published(address(server), address(server, "/absent"))], output)
    if len(content) < len(CONTENT) or not chunked:
        assert f"/data.bin: sends {len(content)} bytes, not {len(CONTENT)};" in str(caught.value)
    assert "/absent: 404" in str(caught.value)
    # Asked once: to ask again would give the same page.
    assert server.asked == [None, None]
    assert not list(tmp_path.iterdir())


def test_a_body_in_chunks_that_breaks_off_is_no_page(server, tmp_path):
    server.sent, server.chunked, server.end = CONTENT[:9], True, b""
    output = tmp_path / "data.bin"
    with pytest.raises(UserError, match="416"):  # the second attempt asks for what is not there
        fetch([published(address(server))], output)
    assert server.asked == [None, "bytes=9-"]


def test_a_page_leaves_what_another_url_began(server, tmp_path):
    server.sent, server.announced, server.ranges = b"page", 4, False
    output = tmp_path / "data.bin"
    part(output).write_bytes(CONTENT[:9])
    with pytest.raises(UserError, match="sends 4 bytes"):
        fetch([published(address(server))], output)
    assert part(output).read_bytes() == CONTENT[:9]


def test_a_connection_that_fails_is_tried_again_and_goes_on(server, tmp_path):
    server.cuts = (CHUNK, 5)
    fetch([published(address(server))], tmp_path / "data.bin")
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={CHUNK}-", f"bytes={CHUNK + 5}-"]


def test_a_busy_server_is_asked_again_and_an_absent_file_is_not(server, tmp_path):
    server.failing = (503,)
    fetch([published(address(server))], tmp_path / "data.bin")
    server.asked, server.failing = [], (503,) * (ATTEMPTS + 1)
    with pytest.raises(UserError, match=r"503 Service Unavailable; .* 404 Not Found; or put"):
        fetch([published(address(server), address(server, "/absent"))], tmp_path / "other.bin")
    # /absent is asked once, beside the busy one.
    assert len(server.asked) == ATTEMPTS + 1


def test_urls_are_tried_in_order_and_failures_named(server, tmp_path):
    output = tmp_path / "data.bin"
    fetch([published(address(server, "/absent"), address(server))], output)
    assert output.read_bytes() == CONTENT
    with pytest.raises(
        UserError, match=r"/absent: 404 Not Found; or put set/data\.bin into data_mi"
    ):
        fetch([published(address(server, "/absent"))], tmp_path / "other.bin")


def test_no_network_is_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{unused.getsockname()[1]}/data.bin"
    with pytest.raises(UserError, match=r"^cannot fetch data\.bin: .*: no connection \(.*refused"):
        fetch([published(gone)], tmp_path / "data.bin")


def test_a_file_without_url_needs_a_mirror(tmp_path):
    with pytest.raises(UserError, match=r"it has no URL; or put set/data\.bin into data_mirror"):
        fetch([published()], tmp_path / "data.bin")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_said_in_one_line(server, tmp_path):
    output = tmp_path / "data.bin"
    part(output).symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot write .*No space left on device: make room"):
        fetch([published(address(server))], output)
