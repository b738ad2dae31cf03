"""A server that runs, on a processor of its own, and what it costs."""

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path

SERVER_PROCESSOR = 0
LOAD_PROCESSOR = 1
START_SECONDS_MAX = 20


class Running:
    """`with Running(server, sessions) as running:` starts a server and waits for its greeting."""

    def __init__(self, server, sessions):
        self.port = free_port()
        self.command = [str(part) for part in server.command(self.port, sessions)]

    def __enter__(self):
        begin = time.perf_counter()
        # taskset becomes the server: its process is the one that is measured.
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_PROCESSOR), *self.command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            self.await_greeting(begin + START_SECONDS_MAX)
        except BaseException:
            self.__exit__()
            raise
        self.start_seconds = time.perf_counter() - begin
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def await_greeting(self, deadline):
        while time.perf_counter() < deadline and self.process.poll() is None:
            with contextlib.suppress(ConnectionRefusedError), self.connect() as connection:
                if connection.recv(1024).startswith(b"220"):
                    return
            time.sleep(0.0002)
        raise RuntimeError(f"no greeting from {' '.join(self.command)}")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS_MAX)

    def processes(self):
        """The server's process and its children, theirs too."""
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        return found

    def cpu_seconds(self):
        """Of all its threads: to the nanosecond, unlike utime and stime of /proc/PID/stat, but without threads that are
        gone. None of these servers ends one while it serves."""
        tasks = (task for pid in self.processes() for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def ticks(self):
        """Ticks of the clock that found it in its own code, and in the kernel."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.processes()]
        return sum(int(field[11]) for field in fields), sum(int(field[12]) for field in fields)

    def memory(self):
        """Resident and proportional set, in bytes."""
        sums = {"Rss": 0, "Pss": 0}
        for pid in self.processes():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in sums:
                    sums[name] += int(rest.split()[0]) * 1024
        return sums["Rss"], sums["Pss"]

    @contextlib.contextmanager
    def counting_system_calls(self, file):
        """Has strace write to `file` how often which system call was made meanwhile."""
        strace = subprocess.Popen(
            ["strace", "-f", "-c", "-o", file, "-p", str(self.process.pid)], stderr=subprocess.PIPE, text=True,
        )
        try:
            if "attached" not in strace.stderr.readline():
                raise RuntimeError("strace may not trace the server; it needs root, or kernel.yama.ptrace_scope=0")
            yield
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
