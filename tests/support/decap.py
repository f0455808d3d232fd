#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Takes packets out of tunnels: IPIP, GRE and GUE, IPv4 and IPv6 in both. What Linux's tunnel devices do, for kernels without
them: raw sockets receive (the kernel puts fragments together), a TUN device called decap gives what is inside to the
kernel again.

    decap.py        runs until it is ended; writes "ready" when it is
"""
import fcntl
import os
import select
import socket
import struct
import subprocess

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
GUE_PORT = 6080
IPIP, IPV6, GRE, UDP = 4, 41, 47, 17
ROOM = 1 << 24


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as f:
        f.write("0")
    subprocess.run(["ip", "link", "set", name, "up", "mtu", "9000"], check=True)
    return fd


def listen():
    """{socket: what to strip}"""
    sockets = {}
    for family in (socket.AF_INET, socket.AF_INET6):
        for proto in (IPIP, IPV6, GRE):
            sockets[socket.socket(family, socket.SOCK_RAW, proto)] = (family, proto)
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("", GUE_PORT))
        sockets[s] = (family, UDP)
    for s in sockets:
        s.setsockopt(socket.SOL_SOCKET, 33, ROOM)  # SO_RCVBUFFORCE
    return sockets


def inside(data, family, proto):
    """The packet that travels in it, or nothing."""
    if proto == UDP:  # variant 0, no optional fields
        return data[4:] if data[:1] == b"\0" and data[1] in (IPIP, IPV6) else b""
    if family == socket.AF_INET:  # comes with its IP header; IPv6 without
        data = data[(data[0] & 15) * 4:]
    if proto == GRE:
        return data[4:] if data[:4] in (b"\0\0\x08\0", b"\0\0\x86\xdd") else b""
    return data


def main():
    out = tun("decap")
    sockets = listen()
    poll = select.poll()
    by_fd = {s.fileno(): s for s in sockets}
    for s in sockets:
        poll.register(s, select.POLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in poll.poll():
            for _ in range(64):
                try:
                    data = by_fd[fd].recv(65535, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    break
                packet = inside(data, *sockets[by_fd[fd]])
                if packet:
                    os.write(out, packet)


main()
