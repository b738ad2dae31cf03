"""The relays that are compared, and the sink behind them."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS_MAX = 20
END_SECONDS_MAX = 600
# What Postfix is spared: looking up names of clients, counting them, slowing down who sends fast.
MAIN_CF = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = relay.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
smtp_host_lookup = native
smtp_dns_support_level = disabled
default_process_limit = 200
transport_maps = texthash:{folder}/transport
"""
SERVICES = [
    ("cleanup", "n", "-", "0", "cleanup"),
    ("qmgr", "n", "300", "1", "qmgr"),
    ("rewrite", "-", "-", "-", "trivial-rewrite"),
    ("bounce", "-", "-", "0", "bounce"),
    ("defer", "-", "-", "0", "bounce"),
    ("trace", "-", "-", "0", "bounce"),
    ("proxymap", "-", "-", "-", "proxymap"),
    ("error", "-", "-", "-", "error"),
    ("retry", "-", "-", "-", "error"),
    ("smtp", "-", "-", "-", "smtp"),
    ("scache", "-", "-", "1", "scache"),
    ("tlsmgr", "-", "1000?", "1", "tlsmgr"),
]


def all_relays(binary):
    return [Mailoop(binary), Postfix(binary)]


class Mailoop:
    name = "mailoop"

    def __init__(self, binary):
        self.binary = binary

    def missing(self):
        return None

    @contextlib.contextmanager
    def started(self, folder, sink, destinations):
        config = folder / "mailoop.toml"
        routes = "\n".join(f'"d{n}.example" = "smtp://{hop(n, sink)}?tls=none"' for n in range(destinations))
        config.write_text(f"[routes]\n{routes}\n")
        port = free_port()
        command = [
            self.binary, "serve", "--config", config, "--listen", f"127.0.0.1:{port}", "--spool", folder / "spool",
            "--maildir", folder / "mail", "--relay-from", "127.0.0.0/8", "--hostname", "relay.example.org",
            "--log-file", folder / "log",
        ]
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
        try:
            await_port(port, process)
            yield Running(port, lambda: descendants(process.pid))
        finally:
            process.kill()
            process.wait()


class Postfix:
    name = "Postfix"

    def __init__(self, binary):
        self.binary = binary

    def missing(self):
        if os.geteuid() != 0:
            return "it needs root"
        if shutil.which("postfix", path=os.environ["PATH"] + ":/usr/sbin") is None:
            return "apt-get install postfix (the program is enough, its service need not run)"
        return None

    @contextlib.contextmanager
    def started(self, folder, sink, destinations):
        for name in ("configuration", "queue", "data"):
            (folder / name).mkdir()
        folder.chmod(0o755)
        shutil.chown(folder / "data", "postfix")
        port = free_port()
        settings = MAIN_CF.format(folder=folder)
        for name in ("daemon_directory", "command_directory", "meta_directory", "shlib_directory"):
            settings += f"{name} = {postconf(name)}\n"
        services = [f"127.0.0.1:{port} inet n - n - - smtpd"]
        services += [f"{name} unix {private} - n {wakeup} {most} {command}"
                     for name, private, wakeup, most, command in SERVICES]
        (folder / "configuration" / "main.cf").write_text(settings)
        (folder / "configuration" / "master.cf").write_text("\n".join(services) + "\n")
        transports = (f"d{n}.example smtp:[{hop(n, sink).split(':')[0]}]:{sink}" for n in range(destinations))
        (folder / "transport").write_text("\n".join(transports) + "\n")
        control = ["postfix", "-c", str(folder / "configuration")]
        subprocess.run([*control, "start"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_port(port, None)
            master = int((folder / "queue" / "pid" / "master.pid").read_text())
            yield Running(port, lambda: descendants(master))
        finally:
            subprocess.run([*control, "abort"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Running:
    """A relay that runs. Postfix's processes come and go: time of those that are gone is that of the master's children."""

    def __init__(self, port, processes):
        self.port = port
        self.processes = processes

    def cpu_seconds(self):
        ticks = 0
        for number, pid in enumerate(self.processes()):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
                if number == 0:
                    ticks += int(fields[13]) + int(fields[14])
        return ticks / os.sysconf("SC_CLK_TCK")


class Sink:
    """Takes so many messages, and ends."""

    def __init__(self, binary, count):
        self.port = free_port()
        command = [binary, "serve", "--discard", "--listen", f"0.0.0.0:{self.port}", "--domain", "example",
                   "--exit-after", count, "--log-level", "warn"]
        for number in range(1000):
            command += ["--domain", f"d{number}.example"]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
        await_port(self.port, self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def wait(self):
        self.process.wait(END_SECONDS_MAX)


def hop(number, port):
    """The sink under an address of its own for each destination, so that each is a site of its own."""
    return f"127.0.{number // 250}.{number % 250 + 1}:{port}"


def await_port(port, process):
    deadline = time.perf_counter() + START_SECONDS_MAX
    while time.perf_counter() < deadline and (process is None or process.poll() is None):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS_MAX).close()
            return
        time.sleep(0.01)
    raise RuntimeError("nobody listens")


def descendants(pid):
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def postconf(name):
    return subprocess.run(["postconf", "-h", name], check=True, capture_output=True, text=True).stdout.strip()


def build_mailoop():
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    return Path(json.loads(metadata)["target_directory"]) / "release" / "mailoop"
