#!/bin/sh
# pycares 5.2.1 (c-ares 1.34.9): a channel that lasts gives up on slow names, and remembers answers.
#
# Versions: aiodns 4.0.4, which keeps one channel, and pycares 5.2.1 below it.
#
# In words: a channel waits 2 s for an answer and asks three times. Once its server has answered a
# few questions fast, it waits for five times their average, 250 ms at least, doubled from try to
# try; and each try has a new socket, so that a late answer to the one before finds nobody. A name
# whose answer takes 1.9 s, as names do whose own servers are far or asleep, is then never found,
# whatever the time-outs say. A new channel finds it.
#
# A channel also keeps what was answered, for as long as the record allows and up to an hour, in
# any number; there is no option in pycares to turn that off. A name that was changed is answered
# as it was. A new channel knows nothing.
#
# Output seen; the script ends with 1 if it differs:
#   slow name, new channel: found
#   slow name, channel that has had fast answers: not found, asked 3 times
#   changed name, same channel: the old address
#   changed name, new channel: the new address
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$work/lib" \
    aiodns==4.0.4 pycares==5.2.1
PYTHONPATH="$work/lib" python3 - <<'PYTHON'
import asyncio
import socket
import struct
import sys
from contextlib import asynccontextmanager

import aiodns

EXPECTED = [
    "slow name, new channel: found",
    "slow name, channel that has had fast answers: not found, asked 3 times",
    "changed name, same channel: the old address",
    "changed name, new channel: the new address",
]
OLD, NEW = "192.0.2.1", "192.0.2.2"


class Server(asyncio.DatagramProtocol):
    address = OLD
    asked = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        end = data.index(0, 12) + 5
        kind = struct.unpack("!H", data[end - 4 : end - 2])[0]
        slow = data[13:17] == b"slow"
        self.asked += slow and kind == 1
        answer = b""
        if kind == 1:
            answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 3600, 4)
            answer += socket.inet_aton(self.address)
        head = data[:2] + struct.pack("!5H", 0x8180, 1, bool(answer), 0, 0)
        send = (self.transport.sendto, head + data[12:end] + answer, peer)
        asyncio.get_running_loop().call_later(1.9 if slow else 0, *send)


@asynccontextmanager
async def resolver(port):
    made = aiodns.DNSResolver(nameservers=[f"127.0.0.1:{port}"])
    yield made
    await made.close()


async def address(resolver, name):
    try:
        found = await resolver.getaddrinfo(name, family=socket.AF_INET)
    except aiodns.error.DNSError:
        return None
    return found.nodes[0].addr[0].decode()


async def seen():
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    async with resolver(port) as new:
        found = await address(new, "slow-1.example")
        yield f"slow name, new channel: {'found' if found else 'not found'}"
    async with resolver(port) as lasting:
        for number in range(20):
            await address(lasting, f"fast-{number}.example")
        server.asked = 0
        found = await address(lasting, "slow-2.example")
        what = "found" if found else f"not found, asked {server.asked} times"
        yield f"slow name, channel that has had fast answers: {what}"
        await address(lasting, "changed.example")
        server.address = NEW
        same = await address(lasting, "changed.example")
        yield f"changed name, same channel: the {'old' if same == OLD else 'new'} address"
    async with resolver(port) as new:
        other = await address(new, "changed.example")
        yield f"changed name, new channel: the {'new' if other == NEW else 'old'} address"


async def main():
    lines = [line async for line in seen()]
    print("\n".join(lines))
    return lines == EXPECTED


sys.exit(0 if asyncio.run(main()) else 1)
PYTHON
