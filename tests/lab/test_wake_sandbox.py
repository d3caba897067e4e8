# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwaked under its own unit: a user of its own, few capabilities, keys for nobody else; heard by multicast DNS."""

from __future__ import annotations

import hashlib
import json
import ssl

import napping
import pytest

TLS = "/var/lib/powerwaked/tls"
FIND = """
import json, sys, time
from zeroconf import ServiceBrowser, ServiceListener, Zeroconf
found = []
class Listener(ServiceListener):
    def add_service(self, zc, kind, name):
        info = zc.get_service_info(kind, name, 3000)
        if info:
            texts = {k.decode(): (v or b"").decode() for k, v in info.properties.items()}
            found.append({"name": name, "port": info.port, "addresses": info.parsed_addresses(), "texts": texts})
    update_service = remove_service = lambda *_: None
zeroconf = Zeroconf()
ServiceBrowser(zeroconf, "_powerwake._tcp.local.", Listener())
end = time.monotonic() + 20
while not found and time.monotonic() < end:
    time.sleep(0.1)
zeroconf.close()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def wake1(running_lab):
    """Run something on the wake server, which is set up."""
    napping.install(running_lab, "wake1", "powerwaked", "powerwake")
    running_lab.run(
        "wake1", "printf '[listen]\\n' >/etc/powernap/powerwaked.toml; systemctl start powerwaked", timeout=60
    )
    return lambda command, **how: running_lab.run("wake1", command, **how).stdout


def pid(wake1):
    return int(wake1("systemctl show -P MainPID powerwaked"))


def test_it_is_nobody_with_three_capabilities_and_room_for_many_links(wake1):
    said = dict(line.split(":\t", 1) for line in wake1(f"cat /proc/{pid(wake1)}/status").splitlines() if ":\t" in line)
    assert said["Uid"].split()[0] != "0"
    assert int(said["CapBnd"], 16) == int(said["CapEff"], 16) == 1 << 12 | 1 << 13 | 1 << 39  # net_admin, net_raw, bpf
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    limits = next(line for line in wake1(f"cat /proc/{pid(wake1)}/limits").splitlines() if "open files" in line)
    assert int(limits.split()[3]) >= 16384


@pytest.fixture
def anew(wake1):
    """Its first start; the authority that clients know is there again afterwards."""
    state = "/var/lib/private/powerwaked"
    wake1(f"systemctl stop powerwaked; mv {state}/tls /root/tls; systemctl start powerwaked", timeout=60)
    yield
    wake1(
        f"systemctl stop powerwaked; rm -rf {state}/tls; mv /root/tls {state}/; systemctl start powerwaked", timeout=60
    )


@pytest.mark.usefixtures("anew")
def test_its_certificates_are_made_within_the_sandbox_and_are_its_own(wake1):
    user = wake1(f"stat -c %u /proc/{pid(wake1)}").strip()
    assert wake1(f"stat -c '%a %u' {TLS} {TLS}/ca.key {TLS}/server.pem").split() == ["700", user] + ["600", user] * 2
    fetch = f"curl -sS --cacert {TLS}/ca.pem --resolve wake1:20709:198.18.0.2 https://wake1:20709/api/v1/ca"
    assert wake1(fetch) == wake1(f"cat {TLS}/ca.pem")


def test_it_is_found_by_multicast_dns_with_the_fingerprint_of_its_authority(wake1, running_lab):
    pem = napping.authority(running_lab)
    found = json.loads(running_lab.run("desk", ["python3", "-c", FIND], timeout=40).stdout)
    assert [(each["name"], each["port"]) for each in found] == [("wake1._powerwake._tcp.local.", 20709)]
    assert "198.18.0.2" in found[0]["addresses"]
    assert found[0]["texts"]["fp"] == hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
