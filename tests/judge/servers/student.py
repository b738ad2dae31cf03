"""A small SMTP server, as a student would hand it in: correct, and wrong in one way on demand.

    python3 student.py [--port N] [--fault NAME]

It prints `listening smtp 127.0.0.1:PORT`, takes every message, and throws it away. `--list` names the faults, one a line.
Each is one error that students make; the lines that are wrong then stand behind `broken(NAME)`.
"""

import argparse
import os
import re
import socket
import threading

NAME = "student.example"
COMMAND_OCTETS_MAX = 512  # RFC 5321 4.5.3.1.4, with CRLF
LINE_OCTETS_MAX = 1_000_000  # what is kept of a line that does not end
MESSAGE_OCTETS_MAX = 20_000_000
RECIPIENTS_MAX = 100
IDLE_SECONDS = 300  # RFC 5321 4.5.3.2.7

FAULTS = {
    # greeting and end
    "no-greeting": "waits for the client to speak first",
    "greeting-250": "greets with 250",
    "lf-only": "ends its replies with a bare LF",
    "quit-unanswered": "closes at QUIT and says nothing",
    "quit-stays-open": "answers QUIT and keeps the connection",
    "ehlo-never-ends": "ends the reply to EHLO with a line that promises another",
    # order
    "mail-before-hello": "takes MAIL before HELO",
    "rcpt-before-mail": "takes RCPT before MAIL",
    "data-without-rcpt": "takes DATA without a recipient",
    "nested-mail": "takes MAIL in a transaction",
    "rset-forgets-nothing": "answers RSET and keeps the transaction",
    "hello-forgets-nothing": "answers a second EHLO and keeps the transaction",
    "one-message": "takes one message a connection",
    "keeps-recipients": "begins the next message with the last one's envelope",
    # syntax and recovery
    "case-sensitive": "knows commands in capitals only",
    "unknown-250": "answers 250 to a command it does not know",
    "unknown-closes": "closes after a command it does not know",
    "never-recovers": "refuses everything after one bad command",
    "no-noop": "does not know NOOP",
    "no-null-sender": "refuses MAIL FROM:<>",
    "any-syntax": "takes MAIL without FROM:",
    "data-250": "answers DATA with 250",
    # segments
    "read-is-command": "takes what one read gives for one command",
    "rest-lost": "throws away a command that has not come whole",
    "first-line-only": "throws away all but the first command of a read",
    "dot-in-own-read": "sees the end of the message only in a read of its own",
    "end-split-missed": "sees the end of the message only within one read",
    # text
    "any-dot-ends": "ends the message at every line that begins with a dot",
    "unstuffs-first": "takes away a dot, then looks for the lone one",
    "lf-dot-ends": "ends the message at a dot between bare LFs",
    "empty-hangs": "does not see the end of a message without a line",
    "commands-in-text": "obeys QUIT and RSET within a message",
    "line-of-1000": "closes at a line of the text beyond 512 octets",
    "ascii-only": "dies of an octet beyond ASCII",
    "one-buffer": "has room for 64 KiB of message",
    "reply-too-early": "answers for the message at its first line",
    # several clients
    "one-client": "serves one client at a time",
    "ten-clients": "turns away the eleventh client",
    "one-state": "has one envelope for all clients",
    "one-recipient": "takes one recipient a message",
    "refused-ends-all": "drops the transaction at a recipient it refuses",
    # patience and endings
    "impatient": "closes after a second of silence",
    "dies-in-data": "ends when a client vanishes in a message",
    "dies-in-command": "ends when a client vanishes in a command",
    "dies-of-reset": "ends when a client resets the connection",
}
fault = None

# An address in angles and the parameters after it: `<a@b>`, `<"a b"@c>`, `<@host:a@b>`, `<>`.
PATH = re.compile(r'<((?:(?:@[^ <>:]+:)?(?:"(?:[^"\\]|\\.)*"|[^ <>"@]+)@[^ <>"@]+)?|postmaster)>(?: +(.*))?', re.IGNORECASE)


def broken(name):
    """Whether this fault was asked for."""
    assert name in FAULTS, name
    return fault == name


class Gone(Exception):
    """The client has closed the connection."""


class Envelope:
    """What a transaction knows."""

    def __init__(self):
        self.sender = None
        self.recipients = []

    def clear(self):
        self.sender = None
        self.recipients = []


envelope_of_all = Envelope()


class Session:
    """One client, from the greeting to the end."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""
        self.hello = None
        self.envelope = envelope_of_all if broken("one-state") else Envelope()
        self.messages = 0
        self.stuck = False
        self.open = True

    # Reading and writing.

    def reply(self, *lines):
        end = "\n" if broken("lf-only") else "\r\n"
        self.connection.sendall("".join(line + end for line in lines).encode("ascii"))

    def receive(self):
        """What has come since; there is some, or nobody is there."""
        octets = self.connection.recv(65536)
        if not octets:
            raise Gone
        return octets

    def read_line(self):
        """The next line without its CRLF. What has come of the one after it is kept."""
        while b"\r\n" not in self.buffer:
            if broken("rest-lost"):
                self.buffer = b""
            if len(self.buffer) > LINE_OCTETS_MAX:
                self.reply("500 Line too long")
                raise Gone
            self.buffer += self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def read_command(self):
        if broken("read-is-command"):
            return self.receive().strip()
        if broken("rest-lost"):
            while True:
                lines = (self.buffer or self.receive()).split(b"\r\n")
                self.buffer = b"".join(line + b"\r\n" for line in lines[1:-1])
                if len(lines) > 1:
                    return lines[0]
        line = self.read_line()
        if broken("first-line-only"):
            self.buffer = b""
        return line

    # The dialogue.

    def run(self):
        if broken("no-greeting"):
            self.buffer = self.receive()
        self.reply(("250 " if broken("greeting-250") else "220 ") + NAME + " ready")
        while self.open:
            line = self.read_command()
            if len(line) + 2 > COMMAND_OCTETS_MAX:
                self.reply("500 Line too long")
            else:
                self.command(line.decode("ascii" if broken("ascii-only") else "latin-1").rstrip())

    def command(self, line):
        verb, _, argument = line.partition(" ")
        if not broken("case-sensitive"):
            verb = verb.upper()
        argument = argument.strip()
        if self.stuck or not line.isascii() or not line.isprintable():
            return self.reply("500 What is that?")
        handlers = {
            "HELO": self.helo,
            "EHLO": self.ehlo,
            "MAIL": self.mail,
            "RCPT": self.rcpt,
            "DATA": self.data,
            "RSET": self.rset,
            "NOOP": self.noop,
            "VRFY": self.vrfy,
            "QUIT": self.quit,
        }
        if broken("no-noop"):
            del handlers["NOOP"]
        if verb in handlers:
            return handlers[verb](argument)
        if broken("unknown-250"):
            return self.reply("250 OK")
        self.reply("500 Unknown command")
        self.stuck = broken("never-recovers")
        self.open = not broken("unknown-closes")

    def helo(self, argument):
        if not argument:
            return self.reply("501 HELO wants a name")
        self.hello = argument
        self.envelope.clear()
        self.reply("250 " + NAME)

    def ehlo(self, argument):
        if not argument:
            return self.reply("501 EHLO wants a name")
        self.hello = argument
        if not broken("hello-forgets-nothing"):
            self.envelope.clear()
        last = "250-" if broken("ehlo-never-ends") else "250 "
        self.reply("250-" + NAME, "250-PIPELINING", last + "8BITMIME")

    def mail(self, argument):
        if self.hello is None and not broken("mail-before-hello"):
            return self.reply("503 Say HELO first")
        if self.envelope.sender is not None and not broken("nested-mail"):
            return self.reply("503 There is a sender already")
        if broken("one-message") and self.messages > 0:
            return self.reply("503 One message is enough")
        sender, parameters = path(argument, "FROM:")
        if sender is None and broken("any-syntax"):
            sender = argument
        if sender is None or (sender == "" and broken("no-null-sender")):
            return self.reply("501 Say MAIL FROM:<address>")
        if parameters and parameters.upper() not in ("BODY=7BIT", "BODY=8BITMIME"):
            return self.reply("555 No such parameter")
        self.envelope.sender = sender
        self.reply("250 OK")

    def rcpt(self, argument):
        if self.envelope.sender is None and not broken("rcpt-before-mail"):
            return self.reply("503 Say MAIL first")
        recipient, parameters = path(argument, "TO:")
        if not recipient:
            if broken("refused-ends-all"):
                self.envelope.clear()
            return self.reply("501 Say RCPT TO:<address>")
        if parameters:
            return self.reply("555 No such parameter")
        most = 1 if broken("one-recipient") else RECIPIENTS_MAX
        if len(self.envelope.recipients) >= most:
            return self.reply("452 Too many recipients")
        self.envelope.recipients.append(recipient)
        self.reply("250 OK")

    def data(self, argument):
        if argument:
            return self.reply("501 DATA stands alone")
        if not self.envelope.recipients and not broken("data-without-rcpt"):
            return self.reply("503 Say RCPT first")
        self.reply(("250 " if broken("data-250") else "354 ") + "End with a dot on a line by itself")
        text = self.read_text()
        self.messages += 1
        if not broken("keeps-recipients"):
            self.envelope.clear()
        if text is None:
            self.reply("552 Too large")
        elif not broken("reply-too-early"):
            self.reply("250 OK")

    def rset(self, argument):
        if argument:
            return self.reply("501 RSET stands alone")
        if not broken("rset-forgets-nothing"):
            self.envelope.clear()
        self.reply("250 OK")

    def noop(self, _):
        self.reply("250 OK")

    def vrfy(self, argument):
        self.reply("252 Try and see" if argument else "501 VRFY wants a name")

    def quit(self, argument):
        if argument:
            return self.reply("501 QUIT stands alone")
        if not broken("quit-unanswered"):
            self.reply("221 Bye")
        self.open = broken("quit-stays-open")

    # The text of a message.

    def read_text(self):
        """The text up to its end, with stuffed dots taken away; none if it is too large."""
        if broken("dot-in-own-read"):
            while self.receive() != b".\r\n":
                pass
            return b""
        if broken("end-split-missed"):
            last = self.buffer or self.receive()
            while not (last.endswith(b"\r\n.\r\n") or last == b".\r\n"):
                last = self.receive()
            self.buffer = b""
            return b""
        if broken("empty-hangs"):
            return self.read_text_at_once()
        lines, octets = [], 0
        while True:
            line = self.read_line()
            if broken("reply-too-early") and octets == 0:
                self.reply("250 OK")
            octets += len(line) + 2
            if broken("line-of-1000") and len(line) > 512:
                raise Gone
            if broken("one-buffer") and octets > 65536:
                raise Gone
            if broken("ascii-only"):
                line.decode("ascii")
            if broken("lf-dot-ends") and b"\n.\n" in line:
                break
            if broken("commands-in-text") and line.upper() in (b"QUIT", b"RSET"):
                self.command(line.decode("ascii"))
                break
            if line == b"." or (broken("any-dot-ends") and line.startswith(b".")):
                break
            if line.startswith(b"."):
                line = line[1:]
                if broken("unstuffs-first") and line == b".":
                    break
            if octets <= MESSAGE_OCTETS_MAX:
                lines.append(line)
        return b"\r\n".join(lines) if octets <= MESSAGE_OCTETS_MAX else None

    def read_text_at_once(self):
        """The fault of those who look for CRLF, dot, CRLF in the text alone, whose first line may be the dot."""
        while b"\r\n.\r\n" not in self.buffer:
            self.buffer += self.receive()
        text, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
        return text


def path(argument, keyword):
    """The address within `<` and `>` after the keyword, and the parameters after it; or none."""
    if not argument.upper().startswith(keyword):
        return None, None
    match = PATH.fullmatch(argument[len(keyword):].strip())
    return (match[1], match[2]) if match else (None, None)


def serve(connection):
    """Serves a client to its end, and lives on however that comes."""
    session = Session(connection)
    connection.settimeout(1 if broken("impatient") else IDLE_SECONDS)
    try:
        # The main thread is counted too.
        if not broken("ten-clients") or threading.active_count() <= 11:
            session.run()
    except (Gone, OSError, UnicodeDecodeError) as error:
        in_text = session.envelope.recipients != []
        if (
            (broken("dies-in-data") and in_text)
            or (broken("dies-in-command") and session.buffer and not in_text)
            or (broken("dies-of-reset") and isinstance(error, ConnectionError))
            or isinstance(error, UnicodeDecodeError)
        ):
            os._exit(1)
    connection.close()


def main():
    global fault
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        return print("\n".join(FAULTS))
    fault = arguments.fault
    listener = socket.create_server(("127.0.0.1", arguments.port), backlog=128)
    print("listening smtp 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        if broken("one-client"):
            serve(connection)
        else:
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
