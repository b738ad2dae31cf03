"""A terminal with a program in it, for the scripts that play whoever sits there."""

import fcntl
import os
import pty
import signal
import struct
import termios


class PseudoTerminal:
    """A terminal of 100 columns and 30 lines. What never comes in it is not waited for for ever."""

    def __init__(self, program, seconds):
        signal.alarm(seconds)
        self.keyboard, self.program_end = pty.openpty()
        self.resize(100, 30)
        self.before = self.mode()
        self.shown = b""
        self.seen = 0
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.keyboard)
            os.login_tty(self.program_end)
            os.execv(program[0], program)

    def resize(self, columns, lines):
        fcntl.ioctl(self.keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def mode(self):
        return termios.tcgetattr(self.program_end)

    def flags(self):
        """Those of the mode that say whether keys are shown, come by lines, and send signals."""
        return self.mode()[3] & (termios.ECHO | termios.ICANON | termios.ISIG)

    def press(self, keys):
        os.write(self.keyboard, keys)

    def read_until(self, text):
        while (at := self.shown.find(text, self.seen)) < 0:
            self.shown += os.read(self.keyboard, 65536)
        self.seen = at + len(text)

    def wait(self):
        """Waits for the end of the program, and returns its exit code. Fails if the terminal is not as it was."""
        _, status = os.waitpid(self.pid, 0)
        os.set_blocking(self.keyboard, False)
        try:
            self.shown += os.read(self.keyboard, 65536)
        except BlockingIOError:
            pass
        assert self.mode() == self.before, "the terminal is not as it was"
        return os.waitstatus_to_exitcode(status)


def keys_of(text):
    """The octets of keys in which \\x03 stands for Ctrl-C."""
    return text.encode().decode("unicode_escape").encode("latin-1")
