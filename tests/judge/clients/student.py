"""A small SMTP client, as a student would hand it in: correct, and wrong in one way on demand.

    python3 student.py [--fault NAME] HOST PORT FROM TO [TO…] < message

It exits with 0 if every recipient got the message, with 75 if one may get it later, with 69 if one never will.
`--list` names the faults, one a line. Each is one error that students make; the lines that are wrong then stand
behind `broken(NAME)`.
"""

import argparse
import socket
import sys

NAME = "client.example"
REPLY_SECONDS = 300  # RFC 5321 4.5.3.2
SENT, NEVER, LATER = 0, 69, 75

FAULTS = {
    "lf-only": "ends its lines with a bare LF",
    "speaks-first": "does not wait for the greeting",
    "impatient": "gives up after a second without a reply",
    "any-greeting": "goes on after a greeting that refuses it",
    "ehlo-only": "gives up where EHLO is not known",
    "first-line-only": "takes each line of a reply for a whole reply",
    "read-is-reply": "takes what one read gives for a whole reply",
    "any-sender": "goes on after MAIL was refused",
    "any-recipient": "goes on to DATA although nobody was accepted",
    "one-refused-ends-all": "gives up all recipients when one is refused",
    "no-go-ahead": "sends the text without waiting for 354",
    "any-go-ahead": "sends the text although DATA was refused",
    "no-stuffing": "does not double a dot that begins a line",
    "dot-on-last-line": "puts the dot behind a last line without an end",
    "exits-zero": "exits with 0 whatever became of the message",
    "partly-is-sent": "exits with 0 though one recipient was refused",
    "lost-is-sent": "takes a lost connection for success",
    "only-5yz": "takes a reply 4yz for success",
    "unsent-without-bye": "takes a message for unsent when QUIT has no reply",
    "no-quit": "closes without QUIT",
}


class Lost(Exception):
    """The server has closed the connection, is silent, or speaks no SMTP."""


class Refused(Exception):
    """A reply by which the whole message ends."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Client:
    """A connection to a server, one command at a time."""

    def __init__(self, host, port, fault):
        self.fault = fault
        self.buffer = b""
        self.socket = socket.create_connection((host, port), timeout=REPLY_SECONDS)
        if self.broken("impatient"):
            self.socket.settimeout(1)

    def broken(self, name):
        """Whether this fault was asked for."""
        assert name in FAULTS, name
        return self.fault == name

    def say(self, line):
        end = "\n" if self.broken("lf-only") else "\r\n"
        self.socket.sendall((line + end).encode("latin-1"))

    def receive(self):
        octets = self.socket.recv(4096)
        if not octets:
            raise Lost("the server closed the connection")
        return octets

    def read_line(self):
        if self.broken("read-is-reply"):
            return self.receive()
        while b"\n" not in self.buffer:
            self.buffer += self.receive()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def reply(self):
        """The code of the next reply, after its last line."""
        while True:
            line = self.read_line()
            if not line[:3].isdigit() or len(line) < 3:
                raise Lost("no reply: %r" % line)
            if line[3:4] != b"-" or self.broken("first-line-only") or self.broken("read-is-reply"):
                break
        code = int(line[:3])
        if code == 421:
            raise Refused(code)
        if code // 100 == 4 and self.broken("only-5yz"):
            return 250
        return code

    def ask(self, line):
        self.say(line)
        return self.reply()

    def send(self, sender, recipients, text):
        """Sends a message. Returns the worst that any recipient got."""
        if self.broken("speaks-first"):
            self.say("HELO " + NAME)
        greeting = self.reply()
        if greeting != 220 and not self.broken("any-greeting"):
            raise Refused(greeting)
        if self.broken("speaks-first"):
            self.reply()
        else:
            self.hello()
        code = self.ask("MAIL FROM:<%s>" % sender)
        if code // 100 != 2 and not self.broken("any-sender"):
            raise Refused(code)
        refused = self.recipients(recipients)
        self.say("DATA")
        if self.broken("no-go-ahead"):
            self.text(text)
        code = self.reply()
        if code != 354 and not self.broken("any-go-ahead"):
            raise Refused(code)
        if not self.broken("no-go-ahead"):
            self.text(text)
        code = self.reply()
        if code // 100 != 2:
            raise Refused(code)
        worst = max(refused, default=250)
        return SENT if self.broken("partly-is-sent") else verdict(worst)

    def hello(self):
        code = self.ask("EHLO " + NAME)
        if code // 100 == 5 and not self.broken("ehlo-only"):
            code = self.ask("HELO " + NAME)
        if code // 100 != 2:
            raise Refused(code)

    def recipients(self, recipients):
        """Names each recipient. Returns the replies to those who were refused, if some were not."""
        refused = []
        for recipient in recipients:
            code = self.ask("RCPT TO:<%s>" % recipient)
            if code // 100 != 2:
                refused.append(code)
        hopeless = len(refused) == len(recipients) and not self.broken("any-recipient")
        if hopeless or (refused and self.broken("one-refused-ends-all")):
            raise Refused(max(refused))
        return refused

    def text(self, text):
        lines = text.splitlines()
        for number, octets in enumerate(lines):
            line = octets.decode("latin-1")
            if line.startswith(".") and not self.broken("no-stuffing"):
                line = "." + line
            is_open = number == len(lines) - 1 and not text.endswith(b"\n")
            if is_open and self.broken("dot-on-last-line"):
                return self.say(line + ".")
            self.say(line)
        self.say(".")

    def quit(self):
        """Says good-bye. What became of the message is decided by now, even if nobody answers."""
        if self.broken("no-quit"):
            return
        try:
            self.ask("QUIT")
        except (Lost, Refused, OSError):
            if self.broken("unsent-without-bye"):
                raise Lost("no reply to QUIT")


def verdict(code):
    """The exit code by the reply that decided."""
    return {2: SENT, 4: LATER}.get(code // 100, NEVER)


def main():
    if "--list" in sys.argv:
        return print("\n".join(FAULTS))
    parser = argparse.ArgumentParser()
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("sender")
    parser.add_argument("recipients", nargs="+")
    arguments = parser.parse_args()
    client = Client(arguments.host, arguments.port, arguments.fault)
    try:
        outcome = client.send(arguments.sender, arguments.recipients, sys.stdin.buffer.read())
        client.quit()
    except Refused as refused:
        outcome = verdict(refused.code)
        if refused.code != 421:
            client.quit()
    except (Lost, OSError) as error:
        print("student.py: %s" % error, file=sys.stderr)
        outcome = SENT if client.broken("lost-is-sent") else LATER
    return SENT if client.broken("exits-zero") else outcome


if __name__ == "__main__":
    sys.exit(main())
