"""Runs a program that asks for a password at its terminal, and types these answers, one a prompt.

An answer may hold what keys send: \\x03 for Ctrl-C. Fails if what is typed is shown, or the terminal is not as it was.
"""

import sys
import termios

from pseudo_terminal import PseudoTerminal, keys_of

answers = keys_of(sys.argv[1]).split(b"|")
terminal = PseudoTerminal(sys.argv[2:], seconds=60)
for answer in answers:
    terminal.read_until(b": ")
    # The prompt comes once nothing is shown any more.
    assert terminal.flags() & termios.ECHO == 0, "it is shown"
    terminal.press(answer)
    terminal.read_until(b"\n")
code = terminal.wait()
for answer in answers:
    assert not answer.strip() or answer.strip() not in terminal.shown, terminal.shown
sys.stdout.buffer.write(terminal.shown)
sys.exit(code)
