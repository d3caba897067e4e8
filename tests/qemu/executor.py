# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the guest: carries out the commands that come through a virtio port, one JSON line each way."""

import json
import subprocess
import time
from pathlib import Path

PORT = Path("/dev/virtio-ports/executor")


def main() -> None:
    while not PORT.exists():
        time.sleep(0.1)
    with PORT.open("r+b", buffering=0) as wire:
        wire.write(b'{"ready": true}\n')
        while True:
            answer = json.dumps(carry_out(json.loads(read_line(wire)))).encode() + b"\n"
            while answer:  # a port takes 32 KiB at once
                answer = answer[wire.write(answer) :]


def read_line(wire) -> bytes:
    """Return the next line, after which nothing comes until it is answered.

    A port hands out what is there, not lines, and nothing while nobody is connected.
    """
    read = b""
    while not read.endswith(b"\n"):
        more = wire.read(65536)
        if not more:
            time.sleep(0.1)
        read += more
    return read


def carry_out(request: dict) -> dict:
    """Run ``command``, at most ``seconds``; ``input`` goes to its standard input."""
    try:
        done = subprocess.run(
            request["command"],
            input=request["input"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=request["seconds"],
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return {"status": 127, "output": str(error)}
    return {"status": done.returncode, "output": done.stdout}


main()
