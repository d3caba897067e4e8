# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a wake server once to be known, and keep what became of it. Blocks; it runs in a program of its own."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from powernap import __version__
from powernap.config import NapConfig
from powernap.machine import rootfiles
from powernap.nap.enrol import asking, finding
from powernap.nap.enrol.kept import Kept, Standing, key_id, write_root
from powernap.nap.enrol.shown import shown
from powernap.nap.enrol.token import fingerprint as fingerprint_of_token
from powernap.nap.enrol.token import read_token
from powernap.nap.link import trust
from powernap.shared.errors import PowernapError

#: Where the server could not be asked, or has said no.
AGAIN_SECONDS = 60.0
REFUSED_SECONDS = 3600.0
_FIRST_USE = "trusted on first use: compare the fingerprint with what 'powerwake status' shows on the wake server"


@dataclass(frozen=True)
class Trusted:
    """``pem``: to be written where it is believed for the first time, else ""."""

    context: ssl.SSLContext | None
    fingerprint: str
    why: str
    pem: str = ""


class Attempt:
    """``url``, ``token``: instead of what is configured; ``new_key``: ask with a key that was never used."""

    def __init__(
        self, config: NapConfig, state_dir: Path, url: str = "", token: str | None = None, new_key: bool = False
    ) -> None:
        self._config, self._given_url, self._given_token, self._new_key = config, url, token, new_key
        self.kept = Kept(state_dir, config.server.key_file)

    def run(self) -> Standing:
        """What became of it is on disk when it returns. Raises PowernapError where that cannot be kept."""
        before = self.kept.standing()
        try:
            standing = self._run(before)
        except PowernapError as error:
            standing = replace(before, status=before.status or "", error=str(error), again_seconds=AGAIN_SECONDS)
            if before.status != "managed":
                self.kept.keep(standing)
        return standing

    def _run(self, before: Standing) -> Standing:
        token = self._given_token if self._given_token is not None else read_token(self._config.enrolment.token_file)
        wanted = self._config.enrolment.fingerprint.replace(":", "").lower() or fingerprint_of_token(token)
        url = self._url(before, wanted)
        if not asking.is_private(url):
            where = "--server" if self._given_url else "server.url"
            raise PowernapError(f"{where}: {url} would show this machine's key to everybody: write https://")
        trusted = self._trust(url, wanted, before)
        question = {**shown(self._config, url), "ca": trusted.fingerprint, "version": __version__}
        if token:
            question["token"] = token
        standing = self._ask(url, trusted, question, self._new_key)
        if standing.status == "managed" and token and self._given_token is None:
            rootfiles.drop("enrolment.token_file", self._config.enrolment.token_file)
        return standing

    def _url(self, before: Standing, wanted: str) -> str:
        configured = self._given_url or self._config.server.url
        if configured:
            return configured
        if not self._config.discovery.find:
            raise PowernapError("there is no wake server to ask: set server.url, or discovery.find = true")
        seen = shown(self._config, "")
        macs = [card["mac"] for card in seen["cards"]]
        what = finding.published(seen["name"], macs, seen["identity"].get("machine", ""))
        servers = finding.find(self._config.discovery, what)
        # Who has removed the pinned CA wants another to be believed.
        pinned = before.fingerprint if Path(self._config.server.ca_file).exists() else ""
        return finding.choose_server(servers, wanted or pinned).url

    def _trust(self, url: str, wanted: str, before: Standing) -> Trusted:
        """Raises PowernapError."""
        if not url.startswith("https:"):
            return Trusted(None, "", "this machine itself")
        file = self._config.server.ca_file
        seconds = self._config.server.timeout_seconds
        if file == trust.SYSTEM:
            return Trusted(trust.load(file).context, "", "of a CA that this machine trusts")
        if Path(file).exists():
            known = trust.load(file)
            _compare(known.fingerprint, wanted, f"server.ca_file: the CA in {file}")
            why = before.trust if before.trust and before.fingerprint == known.fingerprint else f"pinned in {file}"
            return Trusted(known.context, known.fingerprint, why)
        pem, seen = asking.certificate(url, seconds)
        _compare(seen, wanted, f"the CA of {url}")
        why = _FIRST_USE
        if wanted:
            why = "as enrolment.fingerprint says" if self._config.enrolment.fingerprint else "as the token says"
        return Trusted(asking.context_of(pem), seen, why, pem)

    def _ask(self, url: str, trusted: Trusted, question: dict[str, Any], new_key: bool) -> Standing:
        key = self.kept.key_to_ask_with(new_key)
        answer = asking.ask(url, trusted.context, {**question, "key": key}, self._config.server.timeout_seconds)
        if trusted.pem:
            write_root(Path(self._config.server.ca_file), trusted.pem, 0o644, "server.ca_file")
        content = answer.content
        standing = Standing(
            url=url, fingerprint=trusted.fingerprint, trust=trusted.why, key_id=key_id(key), name=question["name"]
        )
        if answer.status == 201:
            standing = replace(standing, status="managed", name=str(content.get("name") or question["name"]))
            self.kept.accepted(key, standing)
            return standing
        if answer.status == 202:
            standing = replace(
                standing,
                status="pending",
                request=str(content.get("request", "")),
                why=str(content.get("why", "")),
                again_seconds=_seconds(content.get("again_seconds")),
            )
        elif answer.status == 403 and content.get("make_key") and not new_key:
            return self._ask(url, trusted, question, new_key=True)
        else:
            again = _seconds(content.get("again_seconds")) if answer.status in (429, 503) else REFUSED_SECONDS
            said = str(content.get("error") or f"it answered with status {answer.status}")
            standing = replace(standing, status="refused", error=f"{url} says: {said}", again_seconds=again)
        self.kept.keep(standing)
        return standing


def _compare(fingerprint: str, wanted: str, what: str) -> None:
    if wanted and not (len(wanted) >= 32 and fingerprint.startswith(wanted)):
        raise PowernapError(
            f"{what} has the fingerprint {fingerprint}, and {wanted} was to be trusted: somebody may be in between, or "
            "the wake server was set up anew: then remove the file server.ca_file"
        )


def _seconds(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return min(max(1.0, float(value)), REFUSED_SECONDS) if is_number else AGAIN_SECONDS
