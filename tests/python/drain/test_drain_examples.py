# SPDX-License-Identifier: GPL-3.0-or-later
"""examples/drain: HAProxy itself; Slurm, Kubernetes and Nova by fakes that refuse every argument they do not know."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
FAKE = pathlib.Path(__file__).with_name("fake_cluster.py")
HAPROXY = """
global
    stats socket {folder}/admin.sock mode 600 level admin
defaults
    mode tcp
    timeout connect 2s
    timeout client 1m
    timeout server 1m
frontend site
    bind unix@{folder}/site.sock
    default_backend web
backend web
    server web1 unix@{folder}/web1.sock
    server web2 unix@{folder}/web2.sock backup
"""


def drain(name, word, folder, **settings):
    """Call an example as powernapd does, with what the playbook writes."""
    (folder / "drain.env").write_text("".join(f"{key}={value!r}\n" for key, value in settings.items()))
    environment = dict(os.environ, DRAIN_SETTINGS=str(folder / "drain.env"), FAKE_CLUSTER=str(folder / "cluster.json"))
    environment["PATH"] = f"{folder}/bin:{os.environ['PATH']}"
    environment["HAPROXY_OUT"] = str(folder / "out")
    script = ROOT / "examples/drain" / f"{name}.sh"
    return subprocess.run([script, word], env=environment, check=False, capture_output=True, text=True, timeout=60)


# HAProxy


@pytest.fixture
def haproxy(tmp_path):
    if not shutil.which("haproxy"):
        pytest.skip("haproxy is not installed: apt-get install haproxy")
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.format(folder=tmp_path))
    backend = socket.socket(socket.AF_UNIX)
    backend.bind(str(tmp_path / "web1.sock"))
    backend.listen()
    threading.Thread(target=serve, args=(backend,), daemon=True).start()
    process = subprocess.Popen(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"], stderr=subprocess.PIPE)
    until(lambda: (tmp_path / "admin.sock").exists() and (tmp_path / "site.sock").exists())
    yield tmp_path
    process.terminate()
    process.wait(10)
    backend.close()


def serve(backend):
    """Keep each visitor until it goes."""
    with contextlib.suppress(OSError):
        while True:
            visitor, _address = backend.accept()
            threading.Thread(target=lambda visitor=visitor: visitor.recv(1) or visitor.close(), daemon=True).start()


def until(true, seconds=60.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def ask(folder, command):
    with socket.socket(socket.AF_UNIX) as runtime:
        runtime.connect(str(folder / "admin.sock"))
        runtime.sendall(command.encode() + b"\n")
        return runtime.makefile().read()


def status(folder, server="web1"):
    rows = [line.split(",") for line in ask(folder, "show stat").splitlines() if line]
    return next(row[rows[0].index("status")] for row in rows if row[:2] == ["web", server])


def sessions(folder, server="web1"):
    rows = [line.split(",") for line in ask(folder, "show stat").splitlines() if line]
    return next(int(row[rows[0].index("scur")]) for row in rows if row[:2] == ["web", server])


def visit(folder):
    visitor = socket.socket(socket.AF_UNIX)
    visitor.connect(str(folder / "site.sock"))
    return visitor


def settings(folder, **more):
    return {"HAPROXY": f"{folder}/admin.sock", "HAPROXY_SERVERS": "web/web1", **more}


def test_haproxy_sends_nobody_to_a_machine_that_naps_and_does_again_after(haproxy):
    done = drain("haproxy", "true", haproxy, **settings(haproxy))
    assert done.returncode == 0, done.stderr
    assert status(haproxy) == "MAINT", "in which it is not looked at, which would wake it"
    done = drain("haproxy", "false", haproxy, **settings(haproxy))
    assert done.returncode == 0 and status(haproxy) in ("UP", "no check"), done.stderr


def test_the_last_server_of_a_backend_stays(haproxy):
    ask(haproxy, "set server web/web2 state maint")
    done = drain("haproxy", "true", haproxy, **settings(haproxy))
    assert done.returncode == 1 and "no other server of web is up" in done.stderr
    assert drain("haproxy", "false", haproxy, **settings(haproxy)).returncode == 0 and status(haproxy) == "no check"
    assert drain("haproxy", "true", haproxy, **settings(haproxy, HAPROXY_LAST="naps")).returncode == 0


@pytest.mark.parametrize("state", ["maint", "drain"])
def test_a_server_that_somebody_else_has_taken_out_is_left_so(haproxy, state):
    ask(haproxy, f"set server web/web1 state {state}")
    for word in ("true", "false"):
        assert drain("haproxy", word, haproxy, **settings(haproxy)).returncode == 0
    assert status(haproxy) == state.upper()


def test_one_that_was_drained_before_a_crash_is_put_back_after_it(haproxy):
    for word in ("true", "true", "false"):
        assert drain("haproxy", word, haproxy, **settings(haproxy)).returncode == 0
    assert status(haproxy) == "no check"


def test_a_session_that_goes_on_is_waited_for_and_keeps_the_machine_awake(haproxy):
    visitor = visit(haproxy)
    until(lambda: sessions(haproxy) == 1)
    done = drain("haproxy", "true", haproxy, **settings(haproxy, HAPROXY_SECONDS="1"))
    assert done.returncode == 1 and "1 sessions go on after 1 s" in done.stderr
    assert status(haproxy) == "DRAIN", "what goes on is not cut off"
    visitor.close()
    until(lambda: sessions(haproxy) == 0)
    assert drain("haproxy", "true", haproxy, **settings(haproxy)).returncode == 0


def test_a_server_that_haproxy_does_not_know_and_a_haproxy_that_is_gone_are_told(haproxy):
    done = drain("haproxy", "true", haproxy, **settings(haproxy, HAPROXY_SERVERS="web/web9"))
    assert done.returncode == 1 and "No such server" in done.stderr
    done = drain("haproxy", "true", haproxy, HAPROXY=f"{haproxy}/none.sock", HAPROXY_SERVERS="web/web1")
    assert done.returncode == 1 and "HAProxy does not answer on" in done.stderr
    done = drain("haproxy", "true", haproxy)
    assert done.returncode != 0 and "name the socket" in done.stderr


# Slurm, Kubernetes, Nova

CLUSTERS = {
    "slurm": ({"SLURM_NODE": "node7"}, ("scontrol", "squeue"), "IDLE", "IDLE+DRAIN", ["drain"], "resume"),
    "kubernetes": ({"KUBERNETES_NODE": "node7"}, ("kubectl",), "", "cordoned", ["cordon", "drain"], "uncordon"),
    "nova": ({"NOVA_HOST": "node7"}, ("openstack",), "enabled", "disabled", ["disable"], "enable"),
}


@pytest.fixture(params=sorted(CLUSTERS))
def cluster(request, tmp_path):
    """Call it with a word; `cluster.is_so(...)` sets what the cluster is, `cluster.now` is what it has become."""
    made = Cluster(request.param, tmp_path)
    made.is_so()
    return made


class Cluster:
    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.settings, programs, self.free, self.out, self.takes, self.gives = CLUSTERS[name]
        (folder / "bin").mkdir()
        for program in programs:
            (folder / "bin" / program).symlink_to(FAKE)

    def is_so(self, state=None, reason="", work=()):
        content = {"state": self.free if state is None else state, "reason": reason, "work": list(work), "calls": []}
        (self.folder / "cluster.json").write_text(json.dumps(content))

    def __call__(self, word):
        done = drain(self.name, word, self.folder, **self.settings)
        assert done.returncode != 97 and "fake:" not in done.stderr, done.stderr
        return done

    @property
    def now(self):
        return json.loads((self.folder / "cluster.json").read_text())


def test_a_node_is_taken_out_and_put_back(cluster):
    assert cluster("true").returncode == 0
    assert (cluster.now["state"], cluster.now["calls"]) == (cluster.out, cluster.takes)
    assert cluster("false").returncode == 0
    assert (cluster.now["state"], cluster.now["reason"]) == (cluster.free, "")
    assert cluster.now["calls"] == [*cluster.takes, cluster.gives]


def test_a_node_with_work_stays_and_is_put_back(cluster):
    cluster.is_so(work=["4711"])
    done = cluster("true")
    assert done.returncode != 0 and "4711" in done.stderr
    assert cluster("false").returncode == 0  # as powernapd does then
    assert cluster.now["state"] == cluster.free


def test_what_somebody_else_has_taken_out_is_left_so(cluster):
    cluster.is_so(state=cluster.out, reason="" if cluster.name == "kubernetes" else "disk is full")
    assert cluster("true").returncode == 0 and cluster("false").returncode == 0
    assert cluster.now["state"] == cluster.out and cluster.gives not in cluster.now["calls"]


def test_a_node_with_work_that_somebody_else_has_taken_out_stays_awake(cluster):
    cluster.is_so(state=cluster.out, reason="" if cluster.name == "kubernetes" else "disk is full", work=["4711"])
    assert cluster("true").returncode != 0


def test_what_was_not_taken_out_is_not_put_back(cluster):
    assert cluster("false").returncode == 0
    assert cluster.now["calls"] == []


@pytest.mark.parametrize("name", ["haproxy", *CLUSTERS])
def test_another_word_is_refused(name, tmp_path):
    done = drain(name, "maybe", tmp_path, HAPROXY="x", HAPROXY_SERVERS="x")
    assert done.returncode == 1 and "usage" in done.stderr
