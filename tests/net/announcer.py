# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishes or browses by powernap.net.discovery, in a process of its own: `announcer.py WAY publish KIND NAME TEXT`.

`publish` says "published by WAY" and takes a new TEXT from each line of its input; at the end of the input it says
good-bye. `browse` writes a line of JSON for each change. `many` publishes so many services of python-zeroconf's own.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from dataclasses import asdict

from powernap.net.discovery.base import DiscoveryError, Found, Published
from powernap.net.discovery.choose import choose


async def publish(way: str, kind: str, name: str, text: str) -> None:
    used = await choose(way)
    beside = asyncio.get_running_loop().run_in_executor
    while text:
        await used.publish(Published(kind, name, 20709, {"v": "1", "id": text}))
        print(f"published by {used.name}", flush=True)
        text = (await beside(None, sys.stdin.readline)).strip()
    await used.close()


async def browse(way: str, kind: str) -> None:
    used = await choose(way)

    def seen(found: Found) -> None:
        print(json.dumps(asdict(found)), flush=True)

    await used.browse(kind, seen, lambda name: print(json.dumps({"gone": name}), flush=True))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await used.close()


async def many(address: str, kind: str, count: int) -> None:
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    publisher = AsyncZeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    tasks = []
    for number in range(count):
        info = AsyncServiceInfo(
            f"{kind}.local.",
            f"h{number:05d}.{kind}.local.",
            addresses=[socket.inet_aton(f"198.18.{8 + (number >> 8)}.{number & 255}")],
            port=0,
            properties={"v": "1", "id": str(number)},
            server=f"h{number:05d}.local.",
        )
        tasks.append(await publisher.async_register_service(info, cooperating_responders=True))
    await asyncio.gather(*tasks)
    print("published all", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def main(words: list[str]) -> None:
    if words[0] == "many":
        asyncio.run(many(words[1], words[2], int(words[3])))
    elif words[1] == "publish":
        asyncio.run(publish(words[0], *words[2:5]))
    else:
        asyncio.run(browse(words[0], words[2]))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DiscoveryError as error:
        print(error, flush=True)
