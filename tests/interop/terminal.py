"""Runs a program that wants a terminal in one, and shows what it draws."""

import os
import pty
import sys

sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
