"""What stands before a registry in earnest: TLS, a certificate asked of clients, a password; and its absence."""

import ipaddress
import ssl
import urllib.request
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USERNAME, PASSWORD = "worker", "p:ss wörd"
KEY_PASSWORD = "of the key"
_HEADERS = ("Content-Type", "Accept")


class Guard(ThreadingHTTPServer):
    """Passes requests on to a server that does not guard itself.

    Args:
        target: its URL, without a path.
        folder: has the files of `certificates`.

    Attributes:
        down: hang up on everybody.
    """

    daemon_threads = True

    def __init__(self, target: str, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.down = False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that were turned away in the handshake."""


class _Handler(BaseHTTPRequestHandler):
    server: Guard
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.down:
            self.close_connection = True
            return
        expected = b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            self._answer(401, b'{"error_code": 401, "message": "who are you?"}')
            return
        request = urllib.request.Request(  # noqa: S310 (our own URL)
            self.server.target + self.path,
            body or None,
            {name: self.headers[name] for name in _HEADERS if name in self.headers},
            method=self.command,
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                self._answer(answer.status, answer.read())
        except HTTPError as error:
            with error:
                self._answer(error.code, error.read())

    do_POST = do_GET  # noqa: N815 (the base class wants it)

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def certificates(folder: Path) -> None:
    """Write an authority's certificate (`ca.pem`), and certificates with keys of a server and a client.

    The client's key is encrypted.
    """
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("authority", ca_key, None, ca_key)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    for name, encryption in (
        ("server", serialization.NoEncryption()),
        ("client", serialization.BestAvailableEncryption(KEY_PASSWORD.encode())),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(name, key, ca, ca_key)
        (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        (folder / f"{name}.key").write_bytes(private)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())
