"""Runs a program that draws the whole terminal, in one of 100 columns and 30 lines, and presses keys: top.py STEPS PROGRAM...

STEPS are parted by `|`: `text=` waits until that is drawn, `keys=` presses these (\\x03 for Ctrl-C), `size=COLUMNSxLINES`
changes the terminal, `run=` runs a command of the shell, `term` sends SIGTERM. Then the program has to end. Shows what it
drew last, and fails if the terminal is not as it was.
"""

import os
import signal
import subprocess
import sys

from pseudo_terminal import PseudoTerminal, keys_of

ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"

terminal = PseudoTerminal(sys.argv[2:], seconds=60)
for step in sys.argv[1].split("|"):
    what, _, text = step.partition("=")
    if what == "text":
        terminal.read_until(text.encode())
    elif what == "keys":
        assert terminal.flags() == 0, "it is not raw"
        terminal.press(keys_of(text))
    elif what == "size":
        terminal.resize(*map(int, text.split("x")))
        terminal.seen = len(terminal.shown)
    elif what == "run":
        subprocess.run(text, shell=True, check=True)
    elif what == "term":
        os.kill(terminal.pid, signal.SIGTERM)
    else:
        sys.exit(f"no such step: {step}")
if terminal.shown.startswith(ENTER):
    terminal.read_until(LEAVE)
code = terminal.wait()
screens, _, after = terminal.shown.rpartition(LEAVE)
sys.stdout.buffer.write(screens.rpartition(b"\x1b[H")[2] + b"\n--\n" + after)
sys.exit(code)
