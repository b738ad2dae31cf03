"""Mail servers whose TLS is broken in different ways, each at an address of its own and all at one port.

The arguments are a folder and pairs KIND=ADDRESS. In the folder KIND.pem is the certificate and key of a server, authority.pem
the certificate of who vouches for them. What happens is told on standard output, a line each:

    listening PORT
    KIND mail CHANNEL SENDER      MAIL was heard; CHANNEL is "clear" or the version of TLS
    KIND taken CHANNEL RECIPIENT  a message was taken
    KIND failed REASON            a handshake has failed

It ends with its standard input.
"""

import os
import socket
import ssl
import sys
import threading
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
folder = sys.argv[1]
lock = threading.Lock()


def tell(*words):
    with lock:
        print(*words, flush=True)


def context_for(kind):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Level 0 lets a server offer what nobody should.
    context.set_ciphers("ALL:@SECLEVEL=0")
    if kind == "tls-1.0":
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    elif kind == "rsa-key-exchange":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("kRSA:@SECLEVEL=0")
    elif kind == "client-certificate":
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(os.path.join(folder, "authority.pem"))
    context.load_cert_chain(os.path.join(folder, kind + ".pem"))
    return context


class Session:
    """One connection."""

    def __init__(self, kind, stream):
        self.kind = kind
        self.stream = stream
        self.buffer = b""
        self.recipients = []

    def channel(self):
        return self.stream.version() if isinstance(self.stream, ssl.SSLSocket) else "clear"

    def line(self):
        while b"\n" not in self.buffer:
            octets = self.stream.recv(65536)
            if not octets:
                raise EOFError
            self.buffer += octets
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def say(self, *lines):
        self.stream.sendall("".join(line + "\r\n" for line in lines).encode())

    def run(self):
        self.say("220 " + self.kind + " ESMTP")
        while True:
            line = self.line()
            verb = line[:4].upper()
            address = line.partition("<")[2].partition(">")[0]
            if verb == "EHLO":
                offers = self.kind != "no-starttls" and self.channel() == "clear"
                starttls = ["250-STARTTLS"] if offers else []
                self.say("250-" + self.kind, *starttls, "250-PIPELINING", "250 8BITMIME")
            elif verb == "STAR":
                if not self.start_tls():
                    return
            elif verb == "MAIL":
                tell(self.kind, "mail", self.channel(), address)
                self.recipients = []
                self.say("250 2.1.0 Ok")
            elif verb == "RCPT":
                self.recipients.append(address)
                self.say("250 2.1.5 Ok")
            elif verb == "DATA":
                self.say("354 Go on")
                while self.line() != ".":
                    pass
                for recipient in self.recipients:
                    tell(self.kind, "taken", self.channel(), recipient)
                self.say("250 2.0.0 Ok")
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok")

    def start_tls(self):
        """Whether the connection goes on."""
        if self.kind == "refuses":
            self.say("454 4.7.0 TLS not available")
            return True
        if self.kind == "garbage":
            # In one piece: the second line comes as what TLS begins with.
            self.say("220 2.0.0 Go on", "250 2.0.0 No TLS")
            return True
        self.say("220 2.0.0 Go on")
        if self.kind == "closes":
            return False
        if self.kind == "hangs":
            while self.stream.recv(65536):
                pass
            return False
        context = context_for(self.kind)
        self.stream = context.wrap_socket(self.stream, server_side=True)
        return True


def serve(kind, stream):
    session = Session(kind, stream)
    try:
        session.run()
    except ssl.SSLError as error:
        tell(kind, "failed", error.reason)
    except (EOFError, OSError):
        pass
    finally:
        session.stream.close()


def accept(kind, listener):
    while True:
        stream, _ = listener.accept()
        stream.settimeout(300)
        threading.Thread(target=serve, args=(kind, stream), daemon=True).start()


def listen(addresses):
    """A listener at each address, all at one port that was free."""
    while True:
        port, listeners = 0, []
        try:
            for address in addresses:
                listener = socket.create_server((address, port), backlog=64)
                listeners.append(listener)
                port = listener.getsockname()[1]
            return port, listeners
        except OSError:
            # Somebody else has this port at one of them.
            for listener in listeners:
                listener.close()


kinds, addresses = zip(*(pair.split("=") for pair in sys.argv[2:]))
port, listeners = listen(addresses)
for kind, listener in zip(kinds, listeners):
    threading.Thread(target=accept, args=(kind, listener), daemon=True).start()
tell("listening", port)
sys.stdin.read()
