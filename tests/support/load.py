# SPDX-License-Identifier: BSD-3-Clause
"""Clients that keep the balancer busy while a test changes something: each runs its connections in a thread of its own that
is in the client's namespace, and keeps count of what came back. And iperf3, both ends."""
import asyncio
import contextlib
import json
import threading
import time

from lab import IPERF_PORT, LabError, count, wait_for


class Load:
    """Base: subclasses give run(), a coroutine that ends when self.stopping is set."""

    def __init__(self, lab, source="client"):
        self.lab, self.source = lab, source
        self.errors = []
        self.stopping = False
        self.thread = threading.Thread(target=self._main, daemon=True)

    def _main(self):
        try:
            with self.lab.inside(self.source):
                asyncio.run(self.run())
        except Exception as e:  # reported by whoever asks for errors
            self.errors.append(f"{type(e).__name__}: {e}")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.stopping = True
        self.thread.join(20)
        if self.thread.is_alive():
            raise LabError("a client did not end")


class Crowd(Load):
    """n connections to whoami that live until the end, each sending a line every `pause` seconds and expecting it back
    from the server that answered first. server[i], exchanges[i]: by connection."""

    def __init__(self, lab, address, port, n, pause=0.2, source="client"):
        super().__init__(lab, source)
        self.address, self.port, self.n, self.pause = address, port, n, pause
        self.server = [None] * n
        self.exchanges = [0] * n

    async def _one(self, i):
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(self.address, self.port), 10)
            while not self.stopping:
                line = b"%d %d\n" % (i, self.exchanges[i])
                writer.write(line)
                name, _, rest = (await asyncio.wait_for(reader.readline(), 10)).partition(b" ")
                if rest != line or self.server[i] not in (None, name.decode()):
                    raise LabError(f"sent {line}, got {name} {rest} from the server {self.server[i]}")
                self.server[i] = name.decode()
                self.exchanges[i] += 1
                await asyncio.sleep(self.pause)
            writer.close()
        except Exception as e:
            self.errors.append((i, self.server[i], f"{type(e).__name__}: {e}"))

    async def run(self):
        await asyncio.gather(*(self._one(i) for i in range(self.n)))

    def failed(self):
        return {e[0] for e in self.errors}

    def progress(self, times=2, timeout=20):
        """Waits until every connection that has not failed has made some more exchanges."""
        before = list(self.exchanges)
        wait_for(lambda: all(now >= then + times for i, (now, then) in enumerate(zip(self.exchanges, before))
            if i not in self.failed()), timeout)


class Requests(Load):
    """`width` clients that make HTTP requests one after the other, with `pause` seconds between them, each with a connection of
    its own. answers: when a request began, and the name of the server."""

    def __init__(self, lab, address, port=80, width=4, pause=0.002, source="client"):
        super().__init__(lab, source)
        self.address, self.port, self.width, self.pause = address, port, width, pause
        self.answers = []

    async def _request(self):
        reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise LabError(f"bad answer: {head[:60]}")
            return body.decode().strip()
        finally:
            writer.close()

    async def _client(self):
        while not self.stopping:
            began = time.monotonic()
            try:
                self.answers.append((began, await asyncio.wait_for(self._request(), 10)))
            except Exception as e:
                self.errors.append(f"{type(e).__name__}: {e}")
            await asyncio.sleep(self.pause)

    async def run(self):
        await asyncio.gather(*(self._client() for _ in range(self.width)))

    def next(self, n, timeout=30):
        """The servers of n requests that begin from now on, counted."""
        now = time.monotonic()

        def later():
            names = [server for began, server in list(self.answers) if began >= now]
            return names[:n] if len(names) >= n else None

        return count(wait_for(later, timeout))


@contextlib.contextmanager
def iperf_at(lab, name, addresses):
    """iperf3 at each address. One for each test: a server that has not seen the end of the last one refuses the next."""
    running = [lab.spawn(name, ["iperf3", "-s", "-B", a, "-p", str(IPERF_PORT)], "iperf3.log") for a in addresses]
    try:
        wait_for(lambda: lab.run(name, ["ss", "-Hltn", f"sport = :{IPERF_PORT}"]).stdout.count("LISTEN") == len(addresses))
        yield
    finally:
        for p in running:
            lab.end(p)
            lab.processes.remove(p)


def iperf3(lab, address, *options, source="client"):
    """What iperf3 measured, the sums at the end; LabError when it fails."""
    out = json.loads(lab.run(source, ["iperf3", "-J", "-c", address, "-p", str(IPERF_PORT), *options], check=False).stdout)
    if "error" in out:
        raise LabError(f"iperf3 to {address}: {out['error']}")
    return out["end"]
