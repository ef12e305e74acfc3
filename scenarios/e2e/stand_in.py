"""A payment provider that misbehaves: how is told by the invoice's id. It runs in a pod behind the provider's name."""

import http.server
import json
import time

PORT = 8082


class Answers(http.server.BaseHTTPRequestHandler):
    """``slow-…`` is never answered, ``cut-…`` is hung up on, the others get an answer that is no payment."""

    def do_GET(self) -> None:
        """The probes of the pod."""
        self._send(200, "text/plain", b"ok")

    def do_POST(self) -> None:
        """A payment."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match str(body["id"]).split("-")[0]:
            case "slow":
                time.sleep(3600)
            case "cut":
                self.close_connection = True
            case "html":
                self._send(200, "text/html", b"<h1>It works!</h1>")
            case "shape":
                self._send(200, "application/json", b'{"thanks": "a lot"}')
            case _:
                self._send(500, "application/json", b'{"error": "out of order"}')

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", PORT), Answers).serve_forever()
