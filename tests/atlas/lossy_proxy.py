"""A proxy on loopback that loses answers as it is told to, after or before the server got them."""

import http.client
import re
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import urlsplit

PAGE = b"<html><title>Something else</title></html>"


class LosingProxy:
    """Passes requests to a server; what becomes of each request to `endpoint` is scripted.

    ``faults`` holds a word for each of these requests in turn: "pass"; "before" breaks the
    connection without asking the server, "after" when the server has answered; "stall" and
    "stall before" answer nothing; "page", "damaged" and a status answer that instead of what
    the server says, gateways' errors and what ends with "before" without asking it. "late" and
    "late 502" lose the answer and ask the server after the next request to `reads` has been
    answered; "very late" ones after two. Past its end all pass. ``passed`` has the path of all
    that reached the server.
    """

    def __init__(self, target, endpoint, reads=None):
        self.reads = reads
        self.late = []
        self.target = urlsplit(target)
        self.endpoint = endpoint
        self.faults = deque()
        self.passed = []
        self.reads_fail = False
        self.ended = threading.Event()
        # What a client has given up is done before it can ask whether it is.
        self.one_by_one = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}{self.target.path}"

    def fault(self, path):
        if path.endswith(f"/{self.endpoint}/"):
            return self.faults.popleft() if self.faults else "pass"
        return "before" if self.reads_fail else "pass"

    def ask(self, handler, body):
        with self.one_by_one:
            return self._ask(handler, body)

    def _ask(self, handler, body):
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=60)
        try:
            headers = {
                name: handler.headers[name]
                for name in ("Authorization", "Content-Type", "Accept")
                if name in handler.headers
            }
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            self.passed.append(handler.path)
            return answer.status, answer.getheader("Content-Type"), answer.read()
        finally:
            connection.close()

    def put_off(self, handler, body, reads):
        asked = SimpleNamespace(command=handler.command, path=handler.path, headers=handler.headers)
        self.late.append([reads, asked, body])

    def do_late_ones(self):
        for one in self.late:
            one[0] -= 1
            if one[0] == 0:
                self.ask(*one[1:])


def _handler(proxy):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.fault(self.path)
            if "late" in fault:
                proxy.put_off(self, body, reads=2 if "very" in fault else 1)
            elif "before" not in fault and fault not in ("502", "503", "504"):
                answer = proxy.ask(self, body)
            if fault == "pass":
                if proxy.reads and self.path.endswith(f"/{proxy.reads}/"):
                    proxy.do_late_ones()
                self.reply(*answer)
            elif fault.startswith("damaged"):
                self.reply(200, "application/json", b'{"objectid": 1')
            elif fault.startswith("page"):
                self.reply(200, "text/html", PAGE)
            elif status := re.search(r"[35]0\d", fault):
                self.reply(int(status[0]), "text/html", PAGE)
            else:
                if fault.startswith("stall"):
                    proxy.ended.wait(20)
                self.close_connection = True

        def reply(self, status, kind, body):
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere/")
            if kind:
                self.send_header("Content-Type", kind)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler
