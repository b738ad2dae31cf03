"""Runs a program that draws the whole terminal, in one of 100 columns and 30 lines, and presses keys: top.py STEPS PROGRAM...

STEPS are parted by `|`: `text=` waits until that is drawn, `keys=` presses these (\\x03 for Ctrl-C), `size=COLUMNSxLINES`
changes the terminal, `run=` runs a command of the shell, `term` sends SIGTERM. Then the program has to end. Shows what it
drew last, and fails if the terminal is not as it was.
"""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

# What never comes is not waited for for ever.
signal.alarm(30)
ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"
terminal, program_end = pty.openpty()


def resize(columns, lines):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


resize(100, 30)
before = termios.tcgetattr(program_end)
pid = os.fork()
if pid == 0:
    os.close(terminal)
    os.login_tty(program_end)
    os.execv(sys.argv[2], sys.argv[2:])
shown = b""
seen = 0


def read_until(text):
    global shown, seen
    while (at := shown.find(text, seen)) < 0:
        shown += os.read(terminal, 65536)
    seen = at + len(text)


for step in sys.argv[1].split("|"):
    what, _, text = step.partition("=")
    if what == "text":
        read_until(text.encode())
    elif what == "keys":
        assert termios.tcgetattr(program_end)[3] & (termios.ECHO | termios.ICANON | termios.ISIG) == 0, "it is not raw"
        os.write(terminal, text.encode().decode("unicode_escape").encode("latin-1"))
    elif what == "size":
        resize(*map(int, text.split("x")))
        seen = len(shown)
    elif what == "run":
        subprocess.run(text, shell=True, check=True)
    elif what == "term":
        os.kill(pid, signal.SIGTERM)
    else:
        sys.exit(f"no such step: {step}")
if shown.startswith(ENTER):
    read_until(LEAVE)
_, status = os.waitpid(pid, 0)
os.set_blocking(terminal, False)
try:
    shown += os.read(terminal, 65536)
except BlockingIOError:
    pass
assert termios.tcgetattr(program_end) == before, "the terminal is not as it was"
screens, _, after = shown.rpartition(LEAVE)
sys.stdout.buffer.write(screens.rpartition(b"\x1b[H")[2] + b"\n--\n" + after)
sys.exit(os.waitstatus_to_exitcode(status))
