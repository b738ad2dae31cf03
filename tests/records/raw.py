"""Clients of octets and no library: raw.py ADDRESS SCENE [PID]."""

import os
import signal
import socket
import struct
import sys
import time

address, scene = sys.argv[1:3]
host, port = address.rsplit(":", 1)


class Client:
    def __init__(self, receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.connect((host, int(port)))
        self.socket.settimeout(20)
        self.lines = self.socket.makefile("rb")
        self.hear()

    def hear(self):
        line = self.lines.readline()
        while line[3:4] == b"-":
            line = self.lines.readline()
        return line

    def say(self, text):
        self.socket.sendall(text.encode())

    def ask(self, text):
        self.say(text + "\r\n")
        return self.hear()

    def envelope(self):
        self.ask("EHLO client.example.org")
        self.ask("MAIL FROM:<ada@example.org>")
        self.ask("RCPT TO:<bob@example.org>")

    def rest(self):
        return self.lines.read()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self.rest()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.lines.close()
        self.socket.close()


def bdat():
    whole = Client()
    whole.envelope()
    whole.say("BDAT 20\r\nSubject: chunks\r\n\r\na")
    whole.hear()
    whole.ask("BDAT 4 LAST\r\nb\r\n.")
    # Within a chunk, between two, and after one that is taken back.
    cut = Client()
    cut.envelope()
    cut.say("BDAT 1000\r\nSubject: cut\r\n")
    cut.half_close()
    reset = Client()
    reset.envelope()
    reset.ask("BDAT 4\r\nabc\n")
    reset.reset()
    taken_back = Client()
    taken_back.envelope()
    taken_back.ask("BDAT 4\r\nabc\n")
    taken_back.ask("RSET")
    taken_back.ask("BDAT 3 LAST\r\nabc")
    taken_back.ask("QUIT")
    whole.ask("QUIT")


def pipelines():
    # More replies than there is room for, read late.
    late = Client(4096)
    late.say("EHLO client.example.org\r\n" * 250)
    time.sleep(0.3)
    for _ in range(250):
        late.hear()
    late.ask("QUIT")
    # A message in one piece with all of its commands, and the end of the stream behind it.
    at_once = Client()
    at_once.say("EHLO c\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
    for _ in range(4):
        at_once.hear()
    at_once.say("Subject: x\r\n\r\n" + "text\r\n" * 3000 + ".\r\nNOOP\r\nMAIL FROM:<>\r\nRSET\r\n")
    at_once.half_close()
    # Octet by octet, across the end of the text.
    slow = Client()
    slow.envelope()
    slow.ask("DATA")
    for octet in "..\r\nx\r\n.\r\n":
        slow.say(octet)
        time.sleep(0.01)
    slow.hear()
    slow.say("NOOP\r\nQUI")
    slow.half_close()
    reset = Client()
    reset.envelope()
    reset.ask("DATA")
    reset.say("half of it")
    reset.reset()


def deadlines():
    idle = Client()
    stalled = Client()
    stalled.envelope()
    stalled.ask("DATA")
    slow = Client()
    slow.envelope()
    slow.ask("DATA")
    quick = Client()
    quick.envelope()
    quick.ask("DATA")
    for step in range(12):
        if step == 2:
            stalled.say("Subject: stalled\r\n")
        try:
            slow.say("x\r\n")
        except OSError:
            pass
        quick.say("text\r\n" * 50)
        time.sleep(0.2)
    assert idle.rest().startswith(b"421"), "idle"
    assert stalled.rest().startswith(b"421"), "stalled"
    slow.rest()
    # The drain waits for this one, and not for ever.
    quick.say("more\r\n")
    other = Client()
    os.kill(int(sys.argv[3]), signal.SIGTERM)
    assert other.rest().startswith(b"421"), "other"
    quick.say("more\r\n")
    quick.rest()


globals()[scene]()
