"""What is measured of a server."""

import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from running import LOAD_PROCESSOR, Running, free_port

# Case: sessions, and what else the load generator is told.
CASES = {
    "connection": (100, []),
    "kept": (100, ["--keep"]),
    "kept1000": (1000, ["--keep"]),
    "pipelined": (100, ["--keep", "--pipeline"]),
    "large": (10, ["--keep", "--length", "10M"]),
}
# As many as carried what this is half of.
HALF_LOAD_SESSIONS = CASES["kept"][0]
SILENCE_SECONDS_MAX = 10
TRACED_MESSAGES = 2000
IDLE_COUNTS = (0, 1000, 10000)
TLS_COUNT = 1000
# So long a server has to put its memory in order, with nothing to do.
SETTLE_SECONDS = 0.5
# For how long pauses of the machine are looked for, and what is one.
PAUSES_SECONDS = 3
PAUSE_SECONDS_MIN = 0.0003
# mailoop reckons with two for a session, since one may be writing a file, and each end needs some more.
DESCRIPTORS_A_SESSION = 2
DESCRIPTORS_SPARE = 200


class Meter:
    """Measures with the load generator `generator`, for `seconds` at a time."""

    def __init__(self, generator, seconds):
        self.generator = generator
        self.seconds = seconds

    def load(self, running, *options):
        """Puts load on a server and returns what the generator tells, as a dictionary."""
        command = [
            "taskset", "-c", LOAD_PROCESSOR, self.generator, "load", "--json", "--timeout", SILENCE_SECONDS_MAX,
            "--server", f"127.0.0.1:{running.port}", *options,
        ]
        process = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if not process.stdout.startswith("{"):
            raise RuntimeError(process.stderr.strip() or f"the load generator ended with {process.returncode}")
        told = json.loads(process.stdout)
        if told["failed"]:
            failures = ", ".join(f"{count} {kind}" for kind, count in told["failures"].items())
            print(f"{running.command[0]}: done {told['done']}, failed {failures}", file=sys.stderr)
        return told

    def case(self, server, name):
        """One run of a case on a fresh server."""
        sessions, options = CASES[name]
        with Running(server, sessions) as running:
            before = running.cpu_seconds()
            user_before, kernel_before = running.ticks()
            told = self.load(running, "--sessions", sessions, "--seconds", self.seconds, *options)
            cpu = running.cpu_seconds() - before
            user, kernel = running.ticks()
            user, kernel = user - user_before, kernel - kernel_before
            done = max(told["done"], 1)
            return {
                "cpu_us": cpu / done * 1e6,
                "kernel_us": cpu / done * 1e6 * kernel / max(user + kernel, 1),
                "busy": cpu / told["seconds"],
                "per_second": told["done_per_second"],
                "megabytes_per_cpu_second": told["message_bytes"] / 1e6 / cpu,
                "megabytes_per_second": told["message_bytes_per_second"] / 1e6,
                "p50_ms": told["latency_ms"]["p50"],
                "p99_ms": told["latency_ms"]["p99"],
                "failed": told["failed"],
                "start_ms": running.start_seconds * 1e3,
            }

    def half_load(self, server, capacity):
        """Messages come by the clock, half as many as the server takes, over connections that are kept."""
        rate = max(int(capacity / 2), 1)
        with Running(server, HALF_LOAD_SESSIONS) as running:
            told = self.load(
                running, "--keep", "--sessions", HALF_LOAD_SESSIONS, "--rate", rate, "--seconds", self.seconds,
            )
            return {
                "rate": rate,
                "p50_ms": told["latency_ms"]["p50"],
                "p99_ms": told["latency_ms"]["p99"],
                "failed": told["failed"],
            }

    def system_calls(self, server):
        """System calls a message, by name: one session, kept, one command at a time."""
        with tempfile.TemporaryDirectory() as folder, Running(server, 1) as running:
            file = Path(folder) / "calls"
            with running.counting_system_calls(file):
                self.load(running, "--keep", "--messages", TRACED_MESSAGES)
            return {name: calls / TRACED_MESSAGES for name, calls in strace_counts(file.read_text()).items()}


def strace_counts(table):
    """The columns `calls` and `syscall` of what `strace -c` wrote."""
    counts = {}
    for line in table.splitlines():
        columns = line.split()
        if len(columns) >= 5 and columns[3].isdigit() and columns[-1] != "total":
            counts[columns[-1]] = int(columns[3])
    return counts


def idle(server, count):
    """Memory with `count` sessions that said EHLO and nothing since, or as many as descriptors allow."""
    count = min(count, sessions_allowed())
    kernel_before = kernel_bytes()
    with Running(server, count) as running:
        sessions = [hello(running.connect()) for _ in range(count)]
        time.sleep(SETTLE_SECONDS)
        resident, proportional = running.memory()
        kernel = kernel_bytes() - kernel_before
        for session in sessions:
            session.close()
    return {"sessions": count, "rss": resident, "pss": proportional, "kernel": kernel}


def sessions_allowed():
    """Takes all descriptors this process and those it starts may have, and returns for how many sessions they do."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
    return max((allowed - DESCRIPTORS_SPARE) // DESCRIPTORS_A_SESSION, 0)


def idle_tls(server_for, count):
    """Bytes resident an idle session under TLS; `server_for(options)` is our server with these options."""
    port = free_port()
    server = server_for("--tls-self-signed", "--listen-tls", f"127.0.0.1:{port}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Running(server, count) as running:
        time.sleep(SETTLE_SECONDS)
        before, _ = running.memory()
        running.port = port
        sessions = [hello(context.wrap_socket(running.connect())) for _ in range(count)]
        time.sleep(SETTLE_SECONDS)
        after, _ = running.memory()
        for session in sessions:
            session.close()
    return (after - before) / count


def pauses(processor):
    """What this machine takes from a program on `processor` that only reads the clock: the share of its time that is
    lost in pauses, and the longest one in milliseconds. No server can answer in one."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    begin = last = time.perf_counter()
    lost = longest = 0.0
    while last < begin + PAUSES_SECONDS:
        now = time.perf_counter()
        if now - last > PAUSE_SECONDS_MIN:
            lost += now - last
            longest = max(longest, now - last)
        last = now
    os.sched_setaffinity(0, allowed)
    return lost / PAUSES_SECONDS, longest * 1e3


def hello(connection):
    """Greets a server on `connection`, which is returned, and reads its whole answer."""
    reply(connection)
    connection.sendall(b"EHLO idle.example.org\r\n")
    reply(connection)
    return connection


def reply(connection):
    lines = b""
    while not (lines.endswith(b"\n") and lines.splitlines()[-1][3:4] == b" "):
        octets = connection.recv(4096)
        if not octets:
            raise RuntimeError("the server hung up on an idle session")
        lines += octets


def kernel_bytes():
    """What the kernel has in its slabs: sockets, files and the like, of both ends, and of whatever else runs."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    return 0
