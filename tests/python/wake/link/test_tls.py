# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake server's own authority: made once, kept, renewed; and what openssl says of it."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from powernap.config import ConfigError
from powernap.config.wake import load_wake
from powernap.config.wake.listen import ListenSettings
from powernap.wake import tls

NOW = 1795000000.0  # in 2026
YEAR = 365 * 86400
NAMES = ("wake1", "wake1.example", "198.18.0.1", "fd4c::1", "not a name")


def openssl(*arguments: str) -> str:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout


def test_the_authority_signs_this_server_and_openssl_agrees(tmp_path: Path) -> None:
    server = tls.own(tmp_path / "tls", NAMES, NOW)
    ca = tmp_path / "tls" / "ca.pem"
    said = openssl(
        "verify", "-x509_strict", "-purpose", "sslserver", "-attime", str(int(NOW)), "-CAfile", str(ca), str(server)
    )
    assert said.strip().endswith("OK")
    text = openssl("x509", "-in", str(server), "-noout", "-text")
    assert "prime256v1" in text and "CA:FALSE" in text
    for name in ("DNS:wake1,", "DNS:wake1.example", "IP Address:198.18.0.1", "IP Address:FD4C:0:0:0:0:0:0:1"):
        assert name in text
    assert "not a name" not in text.split("Subject Alternative Name")[1]
    theirs = openssl("x509", "-in", str(ca), "-noout", "-fingerprint", "-sha256")
    assert theirs.strip().rpartition("=")[2].replace(":", "").lower() == tls.fingerprint(ca.read_text())


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        tls.own(tmp_path / "tls", NAMES, NOW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    for file in (tmp_path / "tls").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def content(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_at_the_next_start_nothing_is_made_and_no_library_imported(tmp_path: Path) -> None:
    tls.own(tmp_path, NAMES, NOW)
    before = content(tmp_path)
    script = f"""import sys; from pathlib import Path; from powernap.wake import tls
tls.own(Path({str(tmp_path)!r}), {NAMES[:2]!r}, {NOW} + 86400); sys.exit("cryptography" in sys.modules)"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert content(tmp_path) == before


def test_what_makes_certificates_stays_out_of_the_process_that_uses_them(tmp_path: Path) -> None:
    script = f"""import sys; from pathlib import Path; from powernap.wake import tls
tls.own(Path({str(tmp_path)!r}), {NAMES!r}, {NOW}); sys.exit("cryptography" in sys.modules)"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert (tmp_path / "server.pem").exists()


def test_a_missing_library_is_said_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "cryptography.py").write_text("raise ModuleNotFoundError(\"No module named 'cryptography'\")")
    monkeypatch.syspath_prepend(str(fake))
    with pytest.raises(tls.TlsError, match=r"needs cryptography: .*apt-get install python3-cryptography"):
        tls.own(tmp_path / "tls", NAMES, NOW)


@pytest.mark.parametrize("why", ["two thirds are over", "another name", "changed", "no facts"])
def test_the_certificate_is_renewed_and_the_authority_stays(tmp_path: Path, why: str) -> None:
    server = tls.own(tmp_path, NAMES, NOW)
    before = content(tmp_path)
    if why == "changed":
        server.write_bytes(server.read_bytes()[:-100])
    if why == "no facts":
        (tmp_path / "server.json").unlink()
    names = (*NAMES, "wake2") if why == "another name" else NAMES
    tls.own(tmp_path, names, NOW + (1.4 * YEAR if why == "two thirds are over" else 10))
    after = content(tmp_path)
    assert after["server.pem"] != before["server.pem"]
    assert (after["ca.pem"], after["ca.key"]) == (before["ca.pem"], before["ca.key"])
    tls.context(ListenSettings(), tmp_path)


@pytest.mark.parametrize("at", range(1, 6))
def test_a_start_that_was_killed_while_it_made_them_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Each file is written whole and then renamed: the kill comes at each of those moments."""

    class Killed(BaseException):
        pass

    renames, real = [0], Path.replace

    def replaced(path: Path, target: Path) -> Path:
        renames[0] += 1
        if renames[0] == at:
            raise Killed
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replaced)
        if at <= 4:
            with pytest.raises(Killed):
                tls.own(tmp_path, NAMES, NOW)
        else:
            tls.own(tmp_path, NAMES, NOW)
    server = tls.own(tmp_path, NAMES, NOW)
    openssl("verify", "-attime", str(int(NOW)), "-CAfile", str(tmp_path / "ca.pem"), str(server))


def test_a_lost_key_of_the_authority_is_said_when_it_is_needed(tmp_path: Path) -> None:
    tls.own(tmp_path, NAMES, NOW)
    (tmp_path / "ca.key").unlink()
    tls.own(tmp_path, NAMES, NOW)  # not yet
    with pytest.raises(tls.TlsError, match=r"remove ca\.pem too, and give each client the new one"):
        tls.own(tmp_path, NAMES, NOW + 1.5 * YEAR)


def test_files_of_the_site_are_used_and_what_is_wrong_with_them_is_said(tmp_path: Path) -> None:
    server = tls.own(tmp_path / "site", NAMES, NOW)
    ca = tmp_path / "site" / "ca.pem"
    listen = ListenSettings(tls="files", tls_certificate=str(server), tls_key=str(server), tls_ca=str(ca))
    assert tls.context(listen, tmp_path / "none") is not None
    assert tls.authority(listen, tmp_path / "none") == ca.read_text()
    assert not (tmp_path / "none").exists()
    with pytest.raises(
        tls.TlsError, match=r"ca\.key: cannot be used as this server's certificate.*listen\.tls_certificate"
    ):
        tls.context(replace(listen, tls_certificate=str(tmp_path / "site" / "ca.key")), tmp_path)
    with pytest.raises(tls.TlsError, match=r"cannot be read as a certificate in PEM"):
        tls.authority(replace(listen, tls_ca=str(tmp_path / "site" / "ca.key")), tmp_path)


def test_what_systemd_hands_over_is_read_in_place_of_the_files_of_the_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tls.own(tmp_path / "tls", NAMES, NOW)
    handed = tmp_path / "handed"
    handed.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    missing = str(tmp_path / "missing")
    site = ListenSettings(tls="files", tls_certificate=missing, tls_key=missing, tls_ca=missing)
    with pytest.raises(tls.TlsError, match="LoadCredential=tls_key:FILE"):
        tls.context(site, tmp_path)
    for name in ("tls_certificate", "tls_key"):
        shutil.copy(server, handed / name)
    shutil.copy(tmp_path / "tls" / "ca.pem", handed / "tls_ca")
    assert tls.context(site, tmp_path) is not None
    assert tls.authority(site, tmp_path) == (tmp_path / "tls" / "ca.pem").read_text()


def test_names_that_are_configured_are_in_the_certificate(tmp_path: Path) -> None:
    tls.context(ListenSettings(tls_names=("wake.example.org",)), tmp_path)
    assert "DNS:wake.example.org" in openssl("x509", "-in", str(tmp_path / "server.pem"), "-noout", "-text")


def test_the_context_speaks_no_old_tls(tmp_path: Path) -> None:
    context = tls.context(ListenSettings(), tmp_path)
    assert context is not None and context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION and not context.num_tickets


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('tls = "off"', 'listen.tls: "off" would send'),
        ('tls = "files"', "listen.tls_certificate: needed with"),
        ('tls_key = "/etc/key.pem"', "listen.tls_key: of no use with"),
        ('tls = "of"', "did you mean off?"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "powerwaked.toml"
    path.write_text(f"[listen]\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_wake(path)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_on_a_loopback_address_tls_may_be_off(tmp_path: Path, address: str) -> None:
    path = tmp_path / "powerwaked.toml"
    path.write_text(f'[listen]\ntls = "off"\naddress = "{address}"\n')
    assert tls.context(load_wake(path).listen, tmp_path) is None
