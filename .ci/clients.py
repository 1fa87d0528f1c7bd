"""Clients and parsers that others wrote, against the complete server.

    clients.py SERVER

Each part is one function and returns what it counted. A peer that is not there
is a line "NOT RUN". What a peer has to find in a good server it is shown first
to miss in a bad one: a server in here that frames its answers wrongly, and one
that answers 500 to everything.
"""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SERVER = sys.argv[1]
SITE = Path("tests/site")
PATTERN = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX\n"
HELLO = b"Hello World\n"


class Wrong(Exception):
    """A peer found fault."""


def check(fine, what):
    if not fine:
        raise Wrong(what)


def run(command, timeout=60, stdin=b"", env=None):
    """What a command says, on both channels, and its exit status."""
    done = subprocess.run(
        [str(part) for part in command], input=stdin, timeout=timeout,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})},
    )
    return done.stdout.decode(errors="replace"), done.returncode


class Server:
    """The complete server, on a free port, until the block ends; then it must stop
    well, and must have said nothing on stderr but the lines it is known for."""

    KNOWN = re.compile(
        r'127\.0\.0\.1:\d+ "(?:[^"\\]|\\.)*" \d{3} .*'  # --log
        r"|client 127\.0\.0\.1:\d+( \(and \d+ more of the kind, not printed\))?: .*\((EPIPE|ECONNRESET)\)"
        r"|client 127\.0\.0\.1:\d+: its answer is cut off( \(and \d+ more of the kind, not printed\))?: timed out"
        r"|client errors: \d+ more, not printed(: .*\((EPIPE|ECONNRESET)\))?"
        r"|served \d+ requests, .*"
        r"|stopped; nothing was cut off"
    )

    def __init__(self, *options):
        self.options = options

    def __enter__(self):
        self.stderr = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [SERVER, "--port", "0", *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.stderr, text=True,
        )
        self.url = self.process.stdout.readline().split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        try:
            status = self.process.wait(30)
        finally:
            self.process.kill()
        self.stderr.seek(0)
        if kind is None:
            check(status == 0, f"the server ended with {status}")
            for line in self.stderr:
                check(self.KNOWN.fullmatch(line.rstrip("\n")), f"it said on stderr: {line!r}")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def is_well(self):
        """It answers a new client, at once."""
        start = time.monotonic()
        check(b" 200 OK\r\n" in talk(self.port, GET), "it does not answer a new client")
        took = time.monotonic() - start
        check(took < 2, f"a new client waited {took:.1f} s")


class BadServer:
    """Answers every request with the same bytes, until the block ends."""

    def __init__(self, answer):
        self.answer = answer

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, contextlib.suppress(OSError):
            rest = b""
            while data := client.recv(65536):
                *heads, rest = (rest + data).split(b"\r\n\r\n")
                client.sendall(self.answer * len(heads))
                if any(b"HTTP/1.0" in h and b"Keep-Alive" not in h for h in heads):
                    return


def talk(port, request):
    """Sends some bytes and the end; all that comes back until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(65536):
            answer += data
    return answer


# --- Parsers: h11 and httptools -------------------------------------------------

def request(line, *fields, body=b""):
    head = "\r\n".join([line, *([] if "HTTP/1.0" in line else ["Host: x"]), *fields])
    return head.encode("latin-1") + b"\r\n\r\n" + body


GET = request("GET / HTTP/1.1")
BIG = request("GET /big?bytes=100000 HTTP/1.1")
BIG_ANSWER = ("GET", 200, (PATTERN * 2000)[:100000])
CHUNKED = request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked",
                  body=b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nT: x\r\n\r\n")
CLOSE = request("GET / HTTP/1.1", "Connection: close")
ANY = None  # a body for people

# Requests, and what has to come of them: method, status, body; in order, and no more.
TALKS = {
    "one GET": (GET, [("GET", 200, HELLO)]),
    "HEAD": (request("HEAD / HTTP/1.1"), [("HEAD", 200, b"")]),
    "HEAD of much": (request("HEAD /big?bytes=100000 HTTP/1.1") + GET,
                     [("HEAD", 200, b""), ("GET", 200, HELLO)]),
    "HEAD refused": (request("HEAD / HTTP/1.1", "Expect: x"), [("HEAD", 417, b"")]),
    "HEAD without a Host": (b"HEAD / HTTP/1.1\r\n\r\n", [("HEAD", 400, b"")]),
    "204": (request("OPTIONS / HTTP/1.1") + GET, [("OPTIONS", 204, b""), ("GET", 200, HELLO)]),
    "OPTIONS *": (request("OPTIONS * HTTP/1.1"), [("OPTIONS", 204, b"")]),
    "no body": (request("GET /big?bytes=0 HTTP/1.1") + GET,
                [("GET", 200, b""), ("GET", 200, HELLO)]),
    "much": (BIG + GET + BIG, [BIG_ANSWER, ("GET", 200, HELLO), BIG_ANSWER]),
    "pipelined": (b"".join(request(f"GET /big?bytes={n} HTTP/1.1") for n in range(200)),
                  [("GET", 200, (PATTERN * 4)[:n]) for n in range(200)]),
    "HEAD, GET, 404, 405, 501": (
        request("HEAD / HTTP/1.1") + GET + request("GET /nothing HTTP/1.1")
        + request("DELETE / HTTP/1.1") + request("BREW / HTTP/1.1") + GET,
        [("HEAD", 200, b""), ("GET", 200, HELLO), ("GET", 404, ANY), ("DELETE", 405, ANY),
         ("BREW", 501, ANY), ("GET", 200, HELLO)]),
    "close": (GET + CLOSE + GET, [("GET", 200, HELLO)] * 2),
    "HTTP/1.0": (request("GET / HTTP/1.0") + GET, [("GET", 200, HELLO)]),
    "HTTP/1.0 keep-alive": (request("GET / HTTP/1.0", "Connection: keep-alive") * 3,
                            [("GET", 200, HELLO)] * 3),
    "POST": (request("POST /echo HTTP/1.1", "Content-Length: 5", body=b"hello") + GET,
             [("POST", 200, b"hello"), ("GET", 200, HELLO)]),
    "POST in chunks": (CHUNKED * 2 + GET,
                       [("POST", 200, b"hello world")] * 2 + [("GET", 200, HELLO)]),
    "an empty POST": (request("POST /echo HTTP/1.1") + GET,
                      [("POST", 200, b""), ("GET", 200, HELLO)]),
    "100-continue, not waited for": (
        request("POST /echo HTTP/1.1", "Content-Length: 5", "Expect: 100-continue", body=b"hello"),
        [("POST", 200, b"hello")]),
    "absolute-form": (request("GET http://y/ HTTP/1.1"), [("GET", 200, HELLO)]),
    "unfinished": (GET + GET[:-2], [("GET", 200, HELLO)]),
}
# What has to be refused, and by which status; GET before it is answered, and nothing behind it.
REFUSED = {
    b"GET / HTTP/1.1\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n": 400,
    b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    request("GET / HTTP/1.1", "X : y"): 400,
    request("GET / HTTP/1.1", "X: y", " z"): 400,
    request("GET / HTTP/1.1", "X: \0"): 400,
    request("GET https://x/ HTTP/1.1"): 421,
    request("POST /echo HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked"): 400,
    request("POST /echo HTTP/1.1", "Content-Length: 5", "Content-Length: 6"): 400,
    request("POST /echo HTTP/1.1", "Transfer-Encoding: gzip"): 400,
    request("POST /echo HTTP/1.1", "Transfer-Encoding: gzip, chunked"): 501,
    request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked", body=b"5\nhello"): 400,
    request("POST /echo HTTP/1.1", "Content-Length: 99999999"): 413,
    request("GET / HTTP/1.1", "Expect: x"): 417,
    request("GET /" + "a" * 9000 + " HTTP/1.1"): 414,
    request("GET / HTTP/1.1", "X: " + "a" * 20000): 431,
    request("GET / HTTP/3.0"): 505,
    request("CONNECT x:80 HTTP/1.1"): 501,
}
for text, status in REFUSED.items():
    TALKS[repr(text[:60])] = (GET + text + GET, [("GET", 200, HELLO), ("GET", status, ANY)])


def by_h11(answer, methods):
    """What h11 makes of the answers to requests of these methods."""
    import h11
    found = []
    for method in methods:
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(answer)
        client.receive_data(b"")
        body = b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
                names = {name for name, _ in event.headers}
                check(b"date" in names, "no Date")
            elif isinstance(event, h11.Data):
                body += event.data
            check(not isinstance(event, h11.ConnectionClosed), "an answer is missing")
        found.append((method, status, body))
        answer = client.trailing_data[0]
    check(not answer, f"behind the last answer: {answer[:80]}")
    return found


def by_httptools(answer, size):
    """The same by httptools, which is fed `size` bytes at a time. It does not know
    which request was HEAD."""
    import httptools
    found = []

    class Callbacks:
        def on_message_begin(self):
            self.body = b""
            self.complete = False

        def on_body(self, data):
            self.body += data

        def on_message_complete(self):
            self.complete = True
            if parser.get_status_code() != 100:
                found.append((parser.get_status_code(), self.body))

    callbacks = Callbacks()
    parser = httptools.HttpResponseParser(callbacks)
    for start in range(0, len(answer), size):
        parser.feed_data(answer[start:start + size])
    check(callbacks.complete, "the last answer is not complete")
    return found


def parses(answer, expected):
    """Whether both parsers find these answers, and nothing else; how often httptools was asked."""
    methods = [method for method, _, _ in expected]
    try:
        found = by_h11(answer, methods)
    except Wrong:
        raise
    except Exception as error:  # whatever h11 has to say
        raise Wrong(f"h11: {error!r}") from error
    check([f[:2] for f in found] == [e[:2] for e in expected], f"h11: {[f[:2] for f in found]}")
    for (method, _, body), (_, _, wanted) in zip(found, expected):
        check(wanted is ANY or body == wanted, f"h11: {method} has {body[:80]}")
    if "HEAD" in methods:
        return 0
    for size in (1, 1000, len(answer)):
        try:
            again = by_httptools(answer, size)
        except Wrong:
            raise
        except Exception as error:
            raise Wrong(f"httptools: {error!r}") from error
        check(again == [f[1:] for f in found], f"httptools and h11 differ: {len(again)} answers")
    return 1


def parsers():
    answers = twice = 0
    with Server() as server:
        for name, (text, expected) in TALKS.items():
            try:
                twice += parses(talk(server.port, text), expected)
            except Wrong as wrong:
                raise Wrong(f"{name}: {wrong}") from None
            answers += len(expected)
        # A client that waits for the 100.
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(request("POST /echo HTTP/1.1", "Expect: 100-continue", "Content-Length: 5"))
            answer = client.recv(65536)
            check(answer == b"HTTP/1.1 100 Continue\r\n\r\n", f"not a 100: {answer}")
            client.sendall(b"hello")
            client.shutdown(socket.SHUT_WR)
            while data := client.recv(65536):
                answer += data
        parses(answer, [("POST", 200, b"hello")])
        answers += 1
    with Server("--root", SITE) as server:
        page = (SITE / "index.html").read_bytes()
        tag = re.search(rb"ETag: (.*)\r\n", talk(server.port, request("HEAD / HTTP/1.1"))).group(1)
        again = request("GET / HTTP/1.1", "If-None-Match: " + tag.decode())
        part = request("GET / HTTP/1.1", "Range: bytes=5-14")
        beyond = request("GET / HTTP/1.1", "Range: bytes=1000000-")
        expected = [("GET", 304, b""), ("GET", 206, page[5:15]), ("GET", 200, page),
                    ("GET", 304, b""), ("GET", 416, ANY), ("GET", 301, ANY)]
        folder = request("GET /css HTTP/1.1")
        twice += parses(talk(server.port, again + part + GET + again + beyond + folder), expected)
        answers += len(expected)
    return f"{len(TALKS) + 2} talks, {answers} answers by h11; {twice} talks again by httptools, cut 3 ways"


def parsers_on_bad():
    date = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    ok = b"HTTP/1.1 200 OK\r\n" + date
    bad = {
        "a length too small": (ok + b"Content-Length: 4\r\n\r\nhello", "GET"),
        "a length too large": (ok + b"Content-Length: 6\r\n\r\nhello", "GET"),
        "two lengths": (ok + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "GET"),
        "content in a 204": (b"HTTP/1.1 204 No Content\r\n" + date + b"\r\nhello", "GET"),
        "content in a 304": (b"HTTP/1.1 304 Not Modified\r\n" + date + b"\r\nhello", "GET"),
        "content for HEAD": (ok + b"Content-Length: 5\r\n\r\nhello", "HEAD"),
        "no Date": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET"),
        "one answer too many": (ok + b"Content-Length: 0\r\n\r\n" + ok + b"Content-Length: 0\r\n\r\n", "GET"),
        "no answer": (b"", "GET"),
        "no status line": (b"hello\r\n\r\n", "GET"),
    }
    for name, (answer, method) in bad.items():
        status = 200 if b"200" in answer else 204 if b"204" in answer else 304
        with BadServer(answer) as server:
            try:
                parses(talk(server.port, request(f"{method} / HTTP/1.1")), [(method, status, ANY)])
            except Wrong:
                continue
        raise Wrong(f"h11 and httptools let pass: {name}")
    return f"{len(bad)} kinds of wrong answers, all seen"


# --- curl -------------------------------------------------------------------------

def curl(*args, stdin=b"", out="/dev/null"):
    """Status, new connections and size of each answer; and the exit status."""
    said = ["-sS", "--noproxy", "*", "--max-time", "20", "-w", "%{http_code} %{num_connects} %{size_download};"]
    text, status = run(["curl", *said, *(["-o", out] if out else []), *args], stdin=stdin)
    return [tuple(map(int, part.split())) for part in re.findall(r"(\d+ \d+ \d+);", text)], status, text


def curls():
    page = (SITE / "index.html").stat().st_size
    count = 0

    def expect(wanted, *args, **more):
        nonlocal count
        found, status, text = curl(*args, **more)
        found = [f[:len(w)] for f, w in zip(found, wanted)] if len(found) == len(wanted) else found
        check(found == wanted and status == 0, f"curl {args}: {text.strip()!r}, exit {status}")
        count += len(wanted)

    with Server() as server, tempfile.TemporaryDirectory() as folder:
        url = server.url
        w = ["-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects} %{size_download};"]
        # The connection is used again, whatever was answered.
        expect([(200, 1, 12), (405, 0), (204, 0), (200, 0, 1000)], f"{url}/",
               "--next", *w, "-X", "DELETE", f"{url}/", "--next", *w, "-X", "OPTIONS", f"{url}/",
               "--next", *w, f"{url}/big?bytes=1000")
        expect([(200, 1, 12)], "--http1.0", f"{url}/")
        expect([(200, 1, 12)], "--http2", f"{url}/")  # offers an upgrade
        expect([(204, 1)], "-X", "OPTIONS", "--request-target", "*", f"{url}/")
        expect([(200, 1, 12)], "--request-target", "http://elsewhere/", f"{url}/")
        expect([(421, 1)], "--request-target", "https://elsewhere/", f"{url}/")
        expect([(400, 1)], "--request-target", "no-slash", f"{url}/")
        expect([(400, 1)], "-H", "Host:", f"{url}/")
        expect([(400, 1)], "-H", "Host: a b", f"{url}/")
        expect([(501, 1)], "-X", "BREW", f"{url}/")
        expect([(200, 1, 0)], "--head", f"{url}/big?bytes=100000")
        expect([(200,)] * 60, "-Z", "--parallel-max", "20", *["-o", "/dev/null"] * 59,
               *[f"{url}/big?bytes={n}000" for n in range(60)])
        text, _ = run(["curl", "-sS", f"{url}/big?bytes=5000000"])
        check(text.encode() == (PATTERN * 90000)[:5000000], "curl: 5 MB differ")
        # Uploads: chunked from a pipe, with and without Expect; with a length; too much.
        body, echo = b"some text\n" * 50000, Path(folder, "echo")
        for more in ((), ("-H", "Expect:"), ("-H", "Expect: 100-continue")):
            expect([(200, 1, len(body))], "-X", "POST", *more, "-T", "-", f"{url}/echo", stdin=body, out=echo)
            check(echo.read_bytes() == body, "curl -T -: another body came back")
            expect([(200, 1, len(body))], *more, "--data-binary", "@-", f"{url}/echo", stdin=body, out=echo)
            check(echo.read_bytes() == body, "curl --data-binary: another body came back")
        large = b"x" * 3_000_000
        expect([(413, 1)], "-H", "Expect: 100-continue", "--data-binary", "@-", f"{url}/echo", stdin=large)
        _, status = run(["curl", "-sS", "--max-time", "10", "--http2-prior-knowledge", f"{url}/"])
        check(status != 0, "HTTP/2 was answered")
        server.is_well()
    with Server("--root", SITE) as server, tempfile.TemporaryDirectory() as folder:
        url, index = server.url, SITE / "index.html"
        files = [path for path in SITE.rglob("*") if path.is_file()]
        for path in files:
            name, copy = str(path.relative_to(SITE)).replace(" ", "%20"), Path(folder, "copy")
            expect([(200, 1, path.stat().st_size)], "--compressed", f"{url}/{name}", out=copy)
            check(copy.read_bytes() == path.read_bytes(), f"curl: {name} differs")
        expect([(200, 1, 0)], "--head", f"{url}/")
        expect([(206, 1, 10)], "-r", "0-9", f"{url}/")
        expect([(206, 1, 5)], "-r", "-5", f"{url}/")
        expect([(206, 1, page - 100)], "-r", "100-", f"{url}/")
        expect([(416, 1)], "-r", "1000000-", f"{url}/")
        expect([(200, 1, page)], "-r", "0-1,5-6", f"{url}/")
        expect([(304, 1, 0)], "-z", index, f"{url}/")
        expect([(200, 1, page)], "-z", "Sun, 06 Nov 1994 08:49:37 GMT", f"{url}/")
        expect([(412, 1)], "-H", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", f"{url}/")
        tag = Path(folder, "tag")
        expect([(200, 1, page)], "--etag-save", tag, f"{url}/")
        expect([(304, 1, 0)], "--etag-compare", tag, f"{url}/")
        half = Path(folder, "half")
        half.write_bytes(index.read_bytes()[:100])
        expect([(206, 1, page - 100)], "-C", "-", f"{url}/", out=half)
        check(half.read_bytes() == index.read_bytes(), "curl -C: the parts do not fit")
        expect([(200, 1)], "-L", f"{url}/chapter")
        for path in ("/../Cargo.toml", "/css/../../Cargo.toml", "/%2e%2e/Cargo.toml", "/.%2e%2fCargo.toml", "//etc/passwd"):
            expect([(404, 1)], "--path-as-is", f"{url}{path}")
    return f"{count} answers as expected"


# --- Load, a little of it ------------------------------------------------------------

def counted(pattern, text, wanted, tool):
    found = re.search(pattern, text)
    check(found and int(found.group(1)) == wanted, f"{tool}: not {wanted} in {text[-600:]!r}")


def ab(url, n):
    for more in ([], ["-k"]):
        text, status = run(["ab", "-q", *more, "-n", n, "-c", 20, f"{url}/"])
        check(status == 0 and "Non-2xx" not in text, f"ab: {text[-600:]!r}")
        counted(r"Complete requests: +(\d+)", text, n, "ab")
        counted(r"Failed requests: +(\d+)", text, 0, "ab")
        if more:
            counted(r"Keep-Alive requests: +(\d+)", text, n, "ab")
    return f"{n} requests on {n} connections, {n} with -k"


def h2load(url, n):
    text, status = run(["h2load", "--h1", "-n", n, "-c", 10, "-m", 8, f"{url}/"])
    check(status == 0, text)
    counted(r"(\d+) succeeded", text, n, "h2load")
    counted(r"status codes: (\d+) 2xx", text, n, "h2load")
    return f"{n} requests, 8 at a time on each of 10 connections"


def wrk(url, _):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write('function init() local r = {}\n'
                     'for n = 1, 16 do r[n] = wrk.format("GET", "/big?bytes=" .. n) end\n'
                     'all = table.concat(r) end\nfunction request() return all end\n')
        script.flush()
        text, status = run(["wrk", "-t1", "-c20", "-d2s", "-s", script.name, url])
    check(status == 0 and not re.search("Socket errors|Non-2xx", text), f"wrk: {text!r}")
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    check(requests > 100, f"wrk: {text!r}")
    return f"{requests} requests, 16 in a segment"


def siege(url, n):
    with tempfile.TemporaryDirectory() as home:
        text, status = run(["siege", "-b", "-c", 10, "-r", n // 10, f"{url}/"], env={"HOME": home})
    check(status == 0, text)
    counted(r'"?successful_transactions"?:\s+(\d+)', text.lower(), n, "siege")
    counted(r'"?failed_transactions"?:\s+(\d+)', text.lower(), 0, "siege")
    return f"{n} requests"


def httperf(url, n):
    port = url.rsplit(":", 1)[1]
    text, status = run(["httperf", "--server", "127.0.0.1", "--port", port, "--uri", "/",
                        "--num-conns", n // 5, "--num-calls", 5, "--rate", 500, "--timeout", 10])
    check(status == 0, text)
    counted(r"2xx=(\d+)", text, n, "httperf")
    counted(r"Errors: total (\d+)", text, 0, "httperf")
    return f"{n} requests, 500 connections a second"


def undici(url, n):
    script = """
const { Client } = require('undici');
const [url, n] = [process.argv[1], Number(process.argv[2])];
const client = new Client(url, { pipelining: 10 });
const order = [];
Promise.all(Array.from({ length: n }, async (_, i) => {
  const { statusCode, body } = await client.request({ path: `/big?bytes=${i}`, method: 'GET' });
  const text = await body.text();
  if (statusCode !== 200 || text.length !== i) throw new Error(`${i}: ${statusCode}, ${text.length}`);
  order.push(i);
})).then(() => {
  if (order.some((v, i) => v !== i)) throw new Error('not in order');
  console.log(`complete ${order.length}`);
  return client.close();
}).catch((error) => { console.error(error); process.exit(1); });
"""
    text, status = run(["node", "-e", script, url, n])
    check(status == 0, f"undici: {text[:600]!r}")
    counted(r"complete (\d+)", text, n, "undici")
    return f"{n} requests, pipelining: 10, each another length, in order"


def autocannon(url, _):
    # By time: given a number of requests, it does not wait for the last it has sent.
    script = """
require('autocannon')({ url: process.argv[1], connections: 10, pipelining: 10, duration: 2,
  timeout: 10, expectBody: 'Hello World\\n' }).then((r) => console.log(JSON.stringify(r)));
"""
    text, status = run(["node", "-e", script, f"{url}/"])
    check(status == 0, f"autocannon: {text[:600]!r}")
    said = json.loads(text.splitlines()[-1])
    good, *bad = [said[key] for key in ("2xx", "non2xx", "errors", "timeouts", "mismatches")]
    check(good > 100 and not any(bad), f"autocannon: {good} good; others, errors, late, other bodies: {bad}")
    return f"{good} requests, -p 10 on each of 10 connections"


def under_load(tool, n=2000):
    """The tool finds no fault here, and finds one in a server of which each answer is 500."""
    with BadServer(b"HTTP/1.1 500 Wrong\r\nContent-Length: 6\r\nConnection: keep-alive\r\n\r\nwrong\n") as bad:
        try:
            tool(bad.url, 100)
        except Wrong:
            pass
        else:
            raise Wrong("it lets pass a server that answers 500")
    with Server() as server:
        said = tool(server.url, n)
        server.is_well()
    return said


# --- Slow and hostile clients ----------------------------------------------------------

def slowhttptest():
    said = []
    with Server("--root", SITE, "--header-timeout", "2", "--idle-timeout", "2") as server:
        server.is_well()
        before = server.descriptors()
        for name, options in {
            "headers": ["-H", "-i", 1, "-u", f"{server.url}/"],
            "body": ["-B", "-i", 1, "-t", "POST", "-s", 8192, "-u", f"{server.url}/_demo/echo"],
            "reader": ["-X", "-n", 1, "-z", 16, "-w", 256, "-y", 512, "-k", 3,
                       "-u", f"{server.url}/_demo/big?bytes=4000000"],
            "ranges": ["-R", "-a", 5, "-b", 500, "-u", f"{server.url}/"],
        }.items():
            # It colours its words.
            attack = subprocess.Popen(
                [str(part) for part in ["slowhttptest", "-c", 200, "-r", 200, "-l", 6, "-p", 2, *options]],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            good = most = 0
            try:
                deadline = time.monotonic() + 20
                while attack.poll() is None:
                    check(time.monotonic() < deadline, f"slow {name}: it does not end")
                    most = max(most, server.descriptors())
                    server.is_well()
                    good += 1
                    time.sleep(0.05)
            finally:
                attack.kill()
                text = re.sub(rb"\x1b\[[0-9;]*[A-Za-z]", b"", attack.communicate()[0]).decode()
            check("Exit status" in text and "available:   NO" not in text, f"slow {name}: {text[-400:]!r}")
            # Who asks for ranges is answered, and gone.
            held = name == "ranges" or most > before + 50
            check(held, f"slow {name}: the server never had more than {most} descriptors")
            deadline = time.monotonic() + 10
            while server.descriptors() > before:
                check(time.monotonic() < deadline, f"slow {name}: {server.descriptors()} descriptors stay, {before} were")
                time.sleep(0.05)
            said.append(f"{name} (up to {most - before} at once, {good} good answers meanwhile)")
    return ", ".join(said)


def nc():
    """netcat: half-close, and bytes that are no HTTP."""
    with Server("--log") as server:
        before = server.descriptors()
        command = ["nc", "-N", "127.0.0.1", server.port]
        text, _ = run(command, stdin=GET)
        check(text.endswith("\r\n\r\nHello World\n"), f"half-close: {text!r}")
        garbage = {
            "random bytes": os.urandom(1_000_000),
            "zeros": bytes(1_000_000),
            "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
            "line feeds": b"\n" * 1_000_000,
            "one line": b"a" * 1_000_000,
            "a hello of TLS": client_hello(),
        }
        for name, bytes_ in garbage.items():
            run(["nc", "-N", "-w", "5", "127.0.0.1", server.port], stdin=bytes_)
            check(server.process.poll() is None, f"{name}: the server is dead")
            server.is_well()
        deadline = time.monotonic() + 10
        while server.descriptors() > before:
            check(time.monotonic() < deadline, "descriptors stay")
            time.sleep(0.05)
    return f"half-close answered; {len(garbage)} kinds of garbage survived, nothing on stderr but the log"


def client_hello():
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    return out.read()


# --- Lint ----------------------------------------------------------------------------------

def httplint():
    """No note that warns, for a page, a file, and answers of other kinds."""
    notes = 0
    lines = [f"GET {path} HTTP/1.1" for path in ("/", "/css/style.css", "/chapter", "/nothing")]
    with Server("--root", SITE) as server:
        for line in lines:
            text, status = run(["httplint", "-n"], stdin=talk(server.port, request(line)))
            found = re.findall(r"\[(\w+)\] (.*)", text)
            check(status == 0 and found, f"httplint, {line}: {text!r}")
            bad = [note for note in found if note[0] not in ("GOOD", "INFO")]
            check(not bad, f"httplint, {line}: {bad}")
            notes += len(found)
    text, _ = run(["httplint", "-n"], stdin=b"HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 3\r\n\r\nhello")
    check(re.search(r"\[(BAD|WARN)\]", text), "httplint lets pass a wrong Date and length")
    return f"{len(lines)} answers, {notes} notes, none of them a warning"


def redbot():
    """It asks again with conditions and ranges, and says how that went."""
    good = ("If-None-Match conditional requests are supported",
            "If-Modified-Since conditional requests are supported",
            "A ranged request returned the correct partial content",
            "The Content-Length header is correct")
    with Server("--root", SITE) as server:
        for path in ("/", "/css/style.css"):
            text, status = run(["redbot", f"{server.url}{path}"], timeout=60)
            check(status == 0, f"redbot {path}: {text}")
            for words in good:
                check(words in text, f"redbot {path} does not say {words!r}: {text}")
            bad = re.search(r".*\b(incorrect|invalid|missing|not correct|error)\b.*", text, re.I)
            check(not bad, f"redbot {path}: {bad and bad.group()}")
    return "a page and a file: conditions, ranges and lengths are as they should be"


def main():
    start = time.monotonic()
    module, command = importlib.util.find_spec, shutil.which
    node = lambda name: command("node") and Path(os.environ.get("NODE_PATH", ""), name).is_dir()
    parts = [
        ("h11, httptools", module("h11") and module("httptools"), parsers),
        ("h11, httptools, on wrong answers", module("h11") and module("httptools"), parsers_on_bad),
        ("curl", command("curl"), curls),
        *((tool.__name__, command(tool.__name__), lambda tool=tool: under_load(tool))
          for tool in (ab, h2load, siege, httperf)),
        ("wrk", command("wrk"), lambda: under_load(wrk)),
        *((tool.__name__, node(tool.__name__), lambda tool=tool: under_load(tool))
          for tool in (undici, autocannon)),
        ("slowhttptest", command("slowhttptest"), slowhttptest),
        ("nc", command("nc"), nc),
        ("httplint", command("httplint"), httplint),
        ("redbot", command("redbot"), redbot),
    ]
    ran = failed = 0
    for name, is_there, part in parts:
        if not is_there:
            print(f"NOT RUN: {name}: not installed, and could not be", flush=True)
            continue
        begin = time.monotonic()
        ran += 1
        try:
            print(f"{name}: {part()} ({time.monotonic() - begin:.1f} s)", flush=True)
        except (Wrong, subprocess.TimeoutExpired, OSError) as wrong:
            failed += 1
            print(f"FAILED: {name}: {wrong}", flush=True)
    print(f"{ran} of {len(parts)} parts in {time.monotonic() - start:.0f} s, {failed} of them found fault")
    return 1 if failed else 0


sys.exit(main())
