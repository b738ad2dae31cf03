"""Runs a program that asks for a password at its terminal, and types these answers, one a prompt.

An answer may hold what keys send: \\x03 for Ctrl-C. Fails if what is typed is shown, or the terminal is not as it was.
"""

import os
import pty
import signal
import sys
import termios

# Whoever asks for nothing is not waited for for ever.
signal.alarm(20)
ECHO = termios.ECHO | termios.ICANON | termios.ISIG
answers = sys.argv[1].encode().decode("unicode_escape").encode("latin-1").split(b"|")
terminal, program_end = pty.openpty()
before = termios.tcgetattr(program_end)[3] & ECHO
pid = os.fork()
if pid == 0:
    os.close(terminal)
    os.login_tty(program_end)
    os.execv(sys.argv[2], sys.argv[2:])
shown = b""
seen = 0


def read_until(end):
    global shown, seen
    while (at := shown.find(end, seen)) < 0:
        shown += os.read(terminal, 1024)
    seen = at + len(end)


for answer in answers:
    read_until(b": ")
    # The prompt comes once nothing is shown any more.
    assert termios.tcgetattr(program_end)[3] & termios.ECHO == 0, "it is shown"
    os.write(terminal, answer)
    read_until(b"\n")
_, status = os.waitpid(pid, 0)
os.set_blocking(terminal, False)
try:
    shown += os.read(terminal, 1024)
except BlockingIOError:
    pass
assert termios.tcgetattr(program_end)[3] & ECHO == before, "the terminal is not as it was"
for answer in answers:
    assert not answer.strip() or answer.strip() not in shown, shown
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(status))
