# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody at the desk who tries the examples of the plugins, on a site that the playbook of the README has set up."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import pathlib
import re
import shlex
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.powernap.lab.plugins.module_utils.demo.playbook import Ansible, Outcome
from channel import asked, powerwake
from conftest import ROOT
from exampling import SOURCE, Piece, indented, pieces
from napping import authority
from playing import FAKE_CLOCK
from reader import Reader

CLIENTS = ("web1", "web2", "file1")
SERVERS = {"wake1": "wake1.example.org", "wake2": "wake2.example.org"}
#: What the role powernapd has, and a play around an example that notifies it.
HANDLERS = """
  handlers:
    - name: Reload powernapd
      powernap.powernap.powernap:
        state: reloaded
"""
#: What the inventories of the README and of the role's leave to their reader: how to log in, and racks.
MORE = {
    "all": {
        "vars": {"ansible_user": "root", "ansible_python_interpreter": "/usr/bin/python3"},
        "hosts": {"craft1": {}},
        "children": {
            "rack1": {"hosts": {"web1": {}, "web2": {}}, "vars": {"powernap_group": "rack1"}},
            "clients": {"vars": {"powernap_wake_server": "wake1"}},
        },
    }
}
#: Runs the event source until it has told of something.
FOLLOW = """
import asyncio, json, os, runpy, sys
class Queue:
    async def put(self, event):
        print(json.dumps(event), flush=True)
        os._exit(0)
asyncio.run(runpy.run_path(sys.argv[1])["main"](Queue(), json.loads(sys.argv[2])))
"""
#: Between its standard input and output and the wake server.
PUMP = """
import os, socket, threading
server = socket.socket(socket.AF_UNIX)
server.connect("/run/powerwaked/admin.sock")
def ask():
    while text := os.read(0, 65536):
        server.sendall(text)
    server.shutdown(socket.SHUT_WR)
threading.Thread(target=ask, daemon=True).start()
while text := server.recv(65536):
    os.write(1, text)
"""
WAKE2 = {"wake_servers": {"hosts": {"wake2": {}}}}


@dataclass
class Stage:
    """Examples that are played together. ``examples``: of a whole plugin, such as modules/awake, or one by its key.

    ``hosts``: for those that are tasks. ``changes``: the tasks that have to change something, and no others.
    ``skipped``: those that nobody has to do. ``environment``: {home} and {etc} are the operator's. ``before`` and
    ``after`` are given the Operator, and ``after`` the outcome.
    """

    name: str
    examples: tuple[str, ...]
    hosts: str = ""
    changes: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    variables: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    before: Callable[[Operator], object] = lambda operator: None
    after: Callable[[Operator, Outcome], object] = lambda operator, outcome: None

    @property
    def pieces(self) -> list[Piece]:
        return [piece for key in self.examples for piece in self.of(key)]

    @staticmethod
    def of(key: str) -> list[Piece]:
        return [piece for piece in pieces() if key in (piece.plugin, piece.key)]

    @property
    def playbook(self) -> str:
        plays = [piece.text for piece in self.pieces if piece.is_play]
        tasks = [indented(piece.text, 4) for piece in self.pieces if piece.data is not None and not piece.is_play]
        if tasks:
            head = f"- name: {self.name}\n  hosts: {self.hosts}\n  gather_facts: false\n"
            head += HANDLERS.lstrip("\n") if any("notify:" in task for task in tasks) else ""
            plays.append(head + "  tasks:\n" + "\n".join(tasks))
        return "---\n" + "\n".join(plays)

    @property
    def tasks(self) -> set[str]:
        """The names of those of which an outcome is told."""
        found = [piece.data for piece in self.pieces if piece.data is not None]
        listed = [task for each in found for task in each.get("tasks", [each])]
        return {task["name"] for task in listed if "ansible.builtin.meta" not in task}


class Operator(Reader):
    """Their home, their /etc and their inventory are in ``folder``."""

    def __init__(self, lab, folder: pathlib.Path) -> None:
        super().__init__(lab, folder, {name: host for host, name in SERVERS.items()})
        self.home = folder / "home"
        (self.home / ".config").mkdir(parents=True)
        (self.etc / "powernap").mkdir()
        self.environment |= {
            "HOME": str(self.home),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_FORKS": "10",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        }
        (inventory := folder / "inventory").mkdir()
        (inventory / "site.yml").write_text(_first_block("README.md"))
        (inventory / "role.yml").write_text(_first_block("roles/powernapd/README.md"))
        (inventory / "more.yml").write_text(json.dumps(MORE))
        (folder / "wake2.yml").write_text(json.dumps(WAKE2))

    def play(self, what: str, *words: str, inventories: tuple[str, ...] = ("inventory",)) -> tuple[Outcome, dict]:
        """Run a playbook; its outcome, and what came of each task by its name."""
        ansible = Ansible(self.folder, [self.folder / name for name in inventories])
        ansible.environment, ansible.within = self.environment, self.inside
        tasks: dict[str, Counter] = {}

        def note(_seconds, task, counts):
            tasks.setdefault(task, Counter()).update(counts)

        outcome = ansible.play(what, *words, show=note)
        assert outcome.status == 0 and not outcome.failed, (outcome.failed, outcome.errors)
        assert outcome.count("unreachable") == 0 and "WARNING" not in outcome.errors, outcome.errors
        return outcome, tasks

    def is_set_up(self) -> None:
        """The site of the README, and a second wake server; with the tokens and the CAs that the examples name."""
        for name in CLIENTS:
            self.lab.run(name, FAKE_CLOCK)
        names = "".join(f"{self.lab.host(host)['ipv4']} {name}\n" for host, name in SERVERS.items())
        for name in (*CLIENTS, "craft1"):
            self.lab.run(name, "cat >>/etc/hosts", input=names)
        self.play("powernap.powernap.site", inventories=("inventory", "wake2.yml"))
        self.gives_token("powerwake.token", "wake1", self.home / ".config")
        for server in SERVERS:
            self.gives_token(f"{server}.token", server, self.home / ".config")
        authorities = [authority(self.lab, server) for server in SERVERS]
        (self.etc / "powernap" / "server-ca.pem").write_text(authorities[0])
        (self.etc / "powernap" / "site-ca.pem").write_text("".join(authorities))
        (self.etc / "eda").mkdir()
        (self.etc / "eda" / "wake1-ca.pem").write_text(authorities[0])
        self.gives_token("powerwake.token", "wake1", self.etc / "eda")

    def gives_token(self, name: str, server: str, folder: pathlib.Path) -> None:
        made = asked(self.lab, f"token create --role operator --name {name}", host=server)
        (folder / name).write_text(made["token"])
        (folder / name).chmod(0o600)

    def says(self, command: str) -> str:
        """What a command prints that has to succeed without a warning."""
        done = self.run(command)
        self.hang_up()
        assert done.returncode == 0 and "WARNING" not in done.stderr, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def is_awake(self, *names: str) -> None:
        powerwake(self.lab, f"wake {' '.join(names)}")
        self.are_linked(*names)

    def naps(self, *names: str) -> None:
        """Have them sleep, as the wake server knows, whatever they did before."""
        self.is_awake(*names)
        powerwake(self.lab, f"nap {' '.join(names)}")
        self.lab.wait_state(list(names), "asleep", 60)

    def tries(self, stage: Stage) -> None:
        stage.before(self)
        self.since = self.lab.mark()
        before = self.environment
        self.environment = before | {key: text.format(**vars(self)) for key, text in stage.environment.items()}
        try:
            commands = [command for piece in stage.pieces for command in piece.commands]
            outcome = Outcome() if commands else self._plays(stage)
            for command in commands:
                self.says(command)
        finally:
            self.environment = before
        stage.after(self, outcome)

    def _plays(self, stage: Stage) -> Outcome:
        file = self.folder / f"{stage.name}.yml"
        file.write_text(stage.playbook)
        outcome, tasks = self.play(str(file), "-e", json.dumps(stage.variables))
        done = {name for name, counts in tasks.items() if counts["ok"] + counts["changed"]}
        assert stage.tasks - done == stage.skipped, "nobody has done these"
        assert {name for name in stage.tasks if tasks.get(name, Counter())["changed"]} == stage.changes
        return outcome

    @contextlib.contextmanager
    def on_the_wake_server(self) -> Iterator[None]:
        """Its socket is at hand, as for root there."""
        entrance, path = self.lab.entrance("wake1"), self.folder / "admin.sock"

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                words = entrance.wrap(["python3", "-c", PUMP])
                with subprocess.Popen(
                    words, preexec_fn=entrance.enter, env=entrance.environment, stdin=self.request, stdout=self.request
                ):
                    pass

        with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.environment["POWERWAKE_SOCKET"] = str(path)
            yield
            del self.environment["POWERWAKE_SOCKET"]
            server.shutdown()
        path.unlink()

    def follows(self, args: dict[str, Any], provoke: Callable[[], object]) -> dict[str, Any]:
        """The first event of the source, here."""
        words = shlex.join([sys.executable, "-c", FOLLOW, str(SOURCE), json.dumps(args)])
        return self._first(lambda: self.says(words), provoke)

    def follows_on_the_wake_server(self, args: dict[str, Any], provoke: Callable[[], object]) -> dict[str, Any]:
        self.lab.run("wake1", "mkdir -p /var/lib/eda; cat >/root/source.py", input=SOURCE.read_text())
        words = ["python3", "-c", FOLLOW, "/root/source.py", json.dumps(args)]
        return self._first(lambda: self.lab.run("wake1", words, timeout=180).stdout, provoke)

    def _first(self, follow: Callable[[], str], provoke: Callable[[], object]) -> dict[str, Any]:
        """It begins with what happens when it is connected, so that is provoked until it tells of it."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            following = pool.submit(follow)
            for _try in range(6):
                provoke()
                if concurrent.futures.wait([following], 20).done:
                    break
            told: dict[str, Any] = json.loads(following.result())["powerwaked"]
            return told

    def woken(self) -> set[str]:
        """Who has resumed since the stage was begun."""
        return {event["host"] for event in self.lab.events(self.since) if event["event"] == "resumed"}

    def known(self, server: str = "wake1") -> dict[str, Any]:
        """By name, what a wake server knows."""
        return {host["name"]: host for host in asked(self.lab, "list", host=server)["hosts"]}

    def leases(self, name: str) -> list[Any]:
        """What holds a machine awake by its own powernapd."""
        leases: list[Any] = json.loads(self.lab.run(name, "powernap inhibit --list --json").stdout)["leases"]
        return leases

    def lets_go(self, reason: str) -> None:
        powerwake(self.lab, f"release --all --reason {reason}")

    def until(self, true: Callable[[], Any], seconds: float = 60.0) -> Any:
        """What that returns, as soon as it is anything."""
        end = time.monotonic() + seconds
        while not (found := true()) and time.monotonic() < end:
            time.sleep(0.2)
        return found

    def are_linked(self, *names: str) -> None:
        """Wait until the links of these, or of all, to the wake server are open."""
        assert self.until(lambda: all(self.known()[name]["status"]["link"] for name in names or CLIENTS))


def _first_block(page: str) -> str:
    """Of YAML."""
    found = re.search(r"^```yaml\n(.+?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert found, page
    return found.group(1)
