# SPDX-License-Identifier: GPL-3.0-or-later
"""Warning people by mail: a real SMTP server (aiosmtpd), and a program in sendmail's place."""

from __future__ import annotations

import asyncio
import email
import socket
import ssl
import subprocess
import threading
import time

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from noticing import CANCELLED, WARNING, tell

from powernap.nap.warnings.mail import Mail
from powernap.shared.errors import PowernapError

TO = {"to": ("ops@example.com", "ann@example.com")}


class Mailbox:
    """What the server was given; ``delay``: seconds before it takes a message."""

    def __init__(self, delay=0.0):
        self.envelopes, self.delay = [], delay

    async def handle_DATA(self, _server, _session, envelope):
        await asyncio.sleep(self.delay)
        self.envelopes.append(envelope)
        return "250 taken"


@pytest.fixture
def serve():
    running = []

    def start(delay=0.0, **more):
        mailbox = Mailbox(delay)
        controller = Controller(mailbox, hostname="127.0.0.1", port=0, **more)
        controller.port = free_port()
        controller.start()
        running.append(controller)
        return mailbox, {**TO, "server": "localhost", "port": controller.port, "from": "powernap@example.com"}

    yield start
    for controller in running:
        controller.stop()


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_a_mail_reaches_all_and_the_cancellation_is_its_answer(serve):
    mailbox, values = serve()
    tell(Mail("x", {**values, "subject": "{host} naps at {at}"}), WARNING, CANCELLED)
    first, second = mailbox.envelopes
    assert first.rcpt_tos == ["ops@example.com", "ann@example.com"]
    assert first.mail_from == "powernap@example.com"
    said, answer = (email.message_from_bytes(each.content) for each in (first, second))
    assert said["Subject"] == "web1 naps at 14:05"
    assert said["Auto-Submitted"] == "auto-generated"
    assert said.get_payload().startswith("web1: suspend in 60 seconds")
    assert answer["In-Reply-To"] == said["Message-ID"]
    assert answer.get_payload().startswith("web1 stays awake: tcp monitor ssh: data.")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key", folder / "cert"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def test_it_logs_in_under_starttls_with_the_password_of_the_file(serve, certificate, tmp_path):
    cert, context = certificate
    given = []

    def check(_server, _session, _envelope, _mechanism, data):
        given.append((data.login, data.password))
        return AuthResult(success=data.password == b"secret", handled=False)

    mailbox, values = serve(tls_context=context, require_starttls=True, authenticator=check, auth_required=True)
    (tmp_path / "password").write_text("secret\n")
    values |= {"tls": "starttls", "ca_file": str(cert), "user": "nap", "password_file": str(tmp_path / "password")}
    tell(Mail("x", values))
    assert given == [(b"nap", b"secret")]
    assert len(mailbox.envelopes) == 1
    (tmp_path / "password").write_text("wrong\n")
    with pytest.raises(PowernapError, match=r"localhost did not take the mail: .*535"):
        tell(Mail("x", values))


def test_it_speaks_tls_from_the_first_byte(serve, certificate):
    cert, context = certificate
    mailbox, values = serve(ssl_context=context)
    tell(Mail("x", {**values, "tls": "tls", "ca_file": str(cert)}))
    assert len(mailbox.envelopes) == 1


@pytest.mark.parametrize("tls", ["tls", "starttls"])
def test_a_server_whose_certificate_nobody_signed_gets_nothing(serve, certificate, tls):
    _cert, context = certificate
    mailbox, values = serve(**{"ssl_context" if tls == "tls" else "tls_context": context})
    with pytest.raises(PowernapError, match="certificate"):
        tell(Mail("x", {**values, "tls": tls}))
    assert not mailbox.envelopes


def test_a_server_that_never_greets_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        method = Mail("x", {**TO, "server": "127.0.0.1", "port": silent.getsockname()[1], "limit_seconds": 0.3})
        begun = time.monotonic()
        with pytest.raises(PowernapError, match=r"did not answer within|did not take the mail"):
            tell(method)
        assert time.monotonic() - begun < 10


def test_a_server_that_trickles_is_given_up_too_and_gets_no_message_after_it():
    """A limit for each answer would never end it: a byte every 0.1 s."""
    got = bytearray()

    def trickle(server):
        client, _address = server.accept()
        with client:
            for byte in b"220-" + b"x" * 20 + b"\r\n220 at last\r\n":
                time.sleep(0.1)
                try:
                    client.send(bytes([byte]))
                except OSError:
                    return
            client.settimeout(1)
            try:
                got.extend(client.recv(1000))
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,), daemon=True)
        thread.start()
        method = Mail("x", {**TO, "server": "127.0.0.1", "port": server.getsockname()[1], "limit_seconds": 0.5})
        with pytest.raises(PowernapError, match="did not answer within"):
            tell(method)
        thread.join(10)
    assert not got


def test_the_program_of_this_machine_takes_it(tmp_path):
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat > {tmp_path}/mail\n')
    program.chmod(0o755)
    tell(Mail("x", {**TO, "sendmail": str(program)}))
    assert (tmp_path / "words").read_text() == "-i -t\n"
    message = email.message_from_string((tmp_path / "mail").read_text())
    assert message["To"] == "ops@example.com, ann@example.com"
    assert message["From"] == "powernap@web1"


def test_a_missing_program_is_told(tmp_path):
    with pytest.raises(PowernapError, match="sendmail"):
        tell(Mail("x", {**TO, "sendmail": str(tmp_path / "sendmail")}))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"to": ()}, "to: it is no address"),
        ({"to": ("ops",)}, "to: ops is no address"),
        ({"to": ("a@b\nBcc: c@d",)}, "is no address"),
        ({**TO, "subject": "{hots}"}, "subject: there is no {hots}"),
        ({**TO, "user": "nap", "password_file": "/x"}, "not sent in the clear"),
        ({**TO, "user": "nap", "tls": "tls"}, "password_file: missing"),
    ],
)
def test_what_cannot_work_is_refused(values, sentence):
    with pytest.raises(PowernapError, match=sentence):
        Mail("x", values)
