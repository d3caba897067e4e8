# SPDX-License-Identifier: GPL-3.0-or-later
"""Warn by mail, through a mail server or the sendmail program of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powernap.nap.attempt import Attempt, within
from powernap.nap.warnings.base import Notice, WarningMethod, checked
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

if TYPE_CHECKING:
    from email.message import EmailMessage

PORTS = {"none": 25, "starttls": 587, "tls": 465}


class Mail(WarningMethod):
    """One message to all; a cancellation is an answer to its warning, so that mail programs show them together."""

    kind = "mail"
    summary = "a mail, by a mail server or the program sendmail"
    options = (
        *WarningMethod.options,
        Option("to", "strs", (), "addresses", example=["ops@example.com"], required=True),
        Option("from", "str", "", 'the sender; "": powernap@HOST'),
        Option("subject", "str", "PowerNap on {host}", "the subject; the fields of message are filled in"),
        Option("server", "str", "", 'the mail server; "": the program sendmail of this machine', example="mail1"),
        Option("port", "int", 0, "its port; 0: 25, 587 with starttls, 465 with tls", minimum=0, maximum=65535),
        Option("tls", "str", "none", "how the connection is kept secret", choices=tuple(PORTS)),
        Option("ca_file", "path", "", "certificate that signed the server's; \"\": the system's"),
        Option("user", "str", "", 'name to log in with; "": no login'),
        Option("password_file", "path", "", "file with the password, readable by root only"),
        Option("sendmail", "path", "/usr/sbin/sendmail", "the program, where no server is given"),
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        values = self.values
        checked("subject", values["subject"])
        bad = [address for address in values["to"] if "@" not in address or any(c in address for c in "\r\n, ")]
        if not values["to"] or bad:
            raise PowernapError(f'to: {", ".join(bad) or "it"} is no address such as "ops@example.com"')
        if values["user"] and values["tls"] == "none":
            raise PowernapError('user: a password is not sent in the clear: set tls = "starttls" or "tls"')
        if values["user"] and not values["password_file"]:
            raise PowernapError("password_file: missing: a user has a password")
        self._warned_by = ""

    async def tell(self, notice: Notice) -> None:
        message = self._message(notice)
        if self.values["server"]:
            await within(self.limit_seconds, self.values["server"], lambda attempt: self._send(attempt, message))
        else:
            await self._pipe(message)

    def _message(self, notice: Notice) -> EmailMessage:
        from email.message import EmailMessage
        from email.utils import formatdate, make_msgid

        host = notice.host
        message = EmailMessage()
        message["From"] = self.values["from"] or f"powernap@{host}"
        message["To"] = ", ".join(self.values["to"])
        message["Subject"] = self.values["subject"].format(**notice.fields())
        message["Date"] = formatdate(localtime=True)
        message["Message-ID"] = make_msgid(domain=host)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers
        if notice.event == "warning":
            self._warned_by = message["Message-ID"]
        elif self._warned_by:
            message["In-Reply-To"] = message["References"] = self._warned_by
        message.set_content(notice.text + "\n")
        return message

    async def _pipe(self, message: EmailMessage) -> None:
        from powernap.machine import outside

        program = self.values["sendmail"]
        done = await outside.run([program, "-i", "-t"], seconds=self.limit_seconds, stdin=message.as_string())
        if done.status:
            said = " ".join(done.output.split())[:200]
            raise PowernapError(f"{program} ended with status {done.status}" + (f": {said}" if said else ""))

    def _send(self, attempt: Attempt, message: EmailMessage) -> None:
        import smtplib
        import socket
        import ssl

        values, limit = self.values, self.limit_seconds
        context = ssl.create_default_context(cafile=values["ca_file"] or None) if values["tls"] != "none" else None

        class Client(smtplib.SMTP):
            """smtplib's own hook (SMTP_SSL uses it): the socket is shown as soon as there is one."""

            def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
                sock = attempt.hold(socket.create_connection((host, port), timeout))
                if context is None or values["tls"] != "tls":
                    return sock
                return attempt.hold(context.wrap_socket(sock, server_hostname=host))

        server, client = values["server"], Client(timeout=limit)
        try:
            try:
                client._host = server  # type: ignore[attr-defined]  # starttls takes the name to check from here
                client.connect(server, values["port"] or PORTS[values["tls"]])
                if values["tls"] == "starttls":
                    client.starttls(context=context)
                    if client.sock is not None:
                        attempt.hold(client.sock)
                if values["user"]:
                    client.login(values["user"], _password(values["password_file"]))
                client.send_message(message)
                client.quit()
            finally:
                client.close()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PowernapError(f"{server} did not take the mail: {reason or type(error).__name__}") from error


def _password(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip("\n")
    except OSError as error:
        raise PowernapError(f"{file} cannot be read: {error.strerror}") from error
