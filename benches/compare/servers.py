"""The servers that are compared: how each is built or found, and started."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
AIOSMTPD = "aiosmtpd==1.4.6"
# Sessions beyond those that are measured: the one that waits for the start, and one that leaves late.
SESSIONS_SPARE = 16


@dataclass
class Server:
    name: str
    # The command that serves an address of this machine, for so many sessions at a time.
    command: Callable[[int, int], list]
    # What is installed of it, for its size.
    program: Path | None = None


def mailoop(name, binary, *options):
    def command(port, sessions):
        return [binary, "serve", "--discard", "--listen", f"127.0.0.1:{port}",
                "--max-connections", sessions + SESSIONS_SPARE, *options]
    return Server(name, command, binary)


def smtp_sink():
    """Debian's postfix package has it. Root must tell it whom to become."""
    program = shutil.which("smtp-sink", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        raise Missing("smtp-sink", "apt-get install postfix (the program is enough, its service need not run)")
    user = ["-u", "nobody"] if os.geteuid() == 0 else []

    def command(port, sessions):
        # Without -m it serves 256 sessions at a time and lets the others wait.
        limit = ["-m", sessions + SESSIONS_SPARE]
        return [program, *user, "-h", "smtp-sink", *limit, f"127.0.0.1:{port}", 1024]
    return Server("smtp-sink", command, Path(program))


def aiosmtpd(target):
    """Installs it in an environment of its own, once."""
    python = target / "venv" / "bin" / "python"
    asked = [python, "-c", "import aiosmtpd"]
    if not python.exists() or subprocess.run(asked, stderr=subprocess.DEVNULL).returncode:
        print("installing aiosmtpd", file=sys.stderr, flush=True)
        made = subprocess.run([sys.executable, "-m", "venv", target / "venv"])
        check(made, "aiosmtpd", "apt-get install python3-venv")
        installed = subprocess.run([python, "-m", "pip", "install", "--quiet", AIOSMTPD])
        check(installed, "aiosmtpd", "pip could not install it")
    return Server("aiosmtpd", lambda port, sessions: [python, HERE / "aiosmtpd_sink.py", port])


def mailin(target):
    program = cargo_build(HERE / "mailin", target) / "mailin-sink"
    # A thread for each session: with fewer, those that are too many would wait.
    return Server(
        "mailin-embedded",
        lambda port, sessions: [program, f"127.0.0.1:{port}", sessions + SESSIONS_SPARE],
        program,
    )


def floor(target):
    program = cargo_build(HERE / "floor", target) / "floor"
    return Server("floor", lambda port, sessions: [program, f"127.0.0.1:{port}"], program)


class Missing(Exception):
    """A server that is not here, and how it could be."""

    def __init__(self, name, advice):
        super().__init__(f"{name} is missing: {advice}")


def check(process, name, advice):
    if process.returncode:
        raise Missing(name, advice)


def cargo_build(folder, target, *options):
    """Builds a release, says so, and returns the folder it is in."""
    command = ["cargo", "build", "--release", "--quiet", "--target-dir", target, *options]
    print("building", folder.name, *options, file=sys.stderr, flush=True)
    check(subprocess.run(command, cwd=folder), folder.name, "cargo could not build it")
    return target / "release"


def build_mailoop(target):
    """Builds the server twice, with everything and with the least, and returns both programs."""
    programs = []
    for name, option in (("mailoop-least", "--no-default-features"), ("mailoop-all", "--all-features")):
        built = cargo_build(ROOT, target.parent, option, "--bin", "mailoop") / "mailoop"
        programs.append(target / name)
        shutil.copy(built, target / name)
    return programs[1], programs[0]


def target_folder():
    """Where cargo builds what belongs to this repository; ours is a folder in there."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    folder = Path(json.loads(metadata)["target_directory"]) / "compare"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
