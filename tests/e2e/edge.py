"""A load balancer that ends TLS, as AWS's does: adds X-Forwarded-For, -Proto and -Port, and passes the rest on.

Runs in a pod, by the Python of the application's image: edge.py HOST PORT
"""

import http.client
import http.server
import ssl
import sys

OWN = ("Connection", "Transfer-Encoding", "Content-Length", "Date", "Server")


class Edge(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = dict(self.headers.items())
        seen = [headers.pop("X-Forwarded-For", ""), self.client_address[0]]
        headers["X-Forwarded-For"] = ", ".join(filter(None, seen))
        headers |= {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "443", "Connection": "close"}
        upstream = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=20)
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.title() not in OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - http.server's own names


if __name__ == "__main__":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
    server = http.server.ThreadingHTTPServer(("", 8443), Edge)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
