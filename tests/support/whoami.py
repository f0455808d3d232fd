#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A server that says who it is: `whoami.py NAME PORT`, TCP and UDP, IPv4 and IPv6.

A UDP datagram is answered by "NAME " and the datagram, from the address it was sent to: with DR that is the virtual
address, which is not the one the kernel would choose. A TCP connection is answered line by line in the same way.
"""
import asyncio
import socket
import sys

IPV6_RECVPKTINFO = 49  # linux/in6.h; the socket module has it under another name on some platforms


def udp_socket(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    s.bind(("::", port))
    s.setblocking(False)
    return s


def answer_datagrams(s, name):
    while True:
        try:
            data, control, _, peer = s.recvmsg(65536, 256)
        except BlockingIOError:
            return
        # struct in6_pktinfo: the address the datagram was sent to, then an interface, 0 for any.
        back = [(level, kind, value[:16] + bytes(4)) for level, kind, value in control
                if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO]
        try:
            s.sendmsg([name + b" " + data], back, 0, peer)
        except OSError:
            pass  # lost, as a datagram may be


async def main():
    name, port = sys.argv[1].encode(), int(sys.argv[2])

    async def answer_lines(reader, writer):
        try:
            while line := await reader.readline():
                writer.write(name + b" " + line)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    s = udp_socket(port)
    asyncio.get_running_loop().add_reader(s, answer_datagrams, s, name)
    server = await asyncio.start_server(answer_lines, ["0.0.0.0", "::"], port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
