#!/usr/bin/env python3
"""Writes seeds/, one small file for each thing that a dialogue in ../dialogues says to a target."""

import pathlib
import re
import shutil
import struct

HERE = pathlib.Path(__file__).parent
MODES = {"normalize": 0, "reject": 1, "accept": 2}
ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


def unescape(text):
    def octet(match):
        escape = match[1]
        return bytes([int(escape[1:], 16)]) if escape[:1] == b"x" else ESCAPES[escape]

    return re.sub(rb"\\(x..|.)", octet, text)


V2 = b"\r\n\r\n\0\r\nQUIT\n"
# Headers are in no dialogue. The octet in front says where they are cut.
HEADERS = {
    "tcp4": b"\x0bPROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\nEHLO c\r\n",
    "tcp6": b"\x0fPROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 1 65535\r\n",
    "unknown": b"\x0dPROXY UNKNOWN whatever\r\n",
    "cut": b"\x09PROXY TCP6 1:2:3:4:5:6:7.8",
    "v2-tcp4": b"\x0c" + V2 + b"\x21\x11\0\x13\xc0\0\2\1\xc6\x33\x64\2\xdc\4\0\x19\3\0\4abcd",
    "v2-tcp6": b"\x0e" + V2 + b"\x21\x21\0\x24" + b"\xfd" * 32 + b"\0\7\0\x19EHLO c\r\n",
    "v2-unix": b"\x10" + V2 + b"\x21\x31\0\xd8" + b"/" * 216,
    "v2-unspec": b"\x0d" + V2 + b"\x21\0\0\0",
    "v2-local": b"\x0d" + V2 + b"\x20\0\0\0",
    "network": b"\0fd00::/8",
}
# Nor are messages of SCRAM. The octet in front says by which mechanism they are sent.
LOGINS = {
    "plus-exporter": b"\0p=tls-exporter,,n=ada,r=x\nc=cD10bHMtZXhwb3J0ZXIsLA==,r=x,p=" + b"A" * 43 + b"=\n",
    "plus-end-point": b"\0p=tls-server-end-point,a=ada,n=a=2Cb=3D,r=x,x=y\n",
    "scram": b"\1n,,n=ada,r=x\nc=biws,r=x,x=y,p=" + b"A" * 43 + b"=\n\n",
    "scram-extended": b"\1n,,m=x,n=ada,r=x\n",
    "plain": b"\2\0ada\0pencil\n",
    "plain-authzid": b"\2ada\0ada\0pencil\n",
    "login": b"\3ada\npencil\n",
}


def answer(kind, *records, flags=b"\x81\xa0"):
    """An answer to a question of this kind: what is after its id, with the octet in front that chooses the question."""
    owner, rest = b"\xc0\x0c", b""
    for number, data in records:
        rest += owner + struct.pack(">HHIH", number, 1, 60, len(data)) + data
        # What follows an alias is that of its target, which is the data.
        if number == CNAME:
            owner = data
    return bytes([kind]) + flags + struct.pack(">HHHH", 1, len(records), 0, 0) + rest


A, CNAME, SOA, MX, TXT, AAAA, TLSA = 1, 5, 6, 15, 16, 28, 52
# Messages of name servers: the octet in front is the place of the kind, and 8 where the server is trusted.
ANSWERS = {
    "ipv4": answer(0, (A, b"\xc0\0\2\1"), (A, b"\xc0\0\2\2")),
    "ipv6": answer(1, (AAAA, b"\x20\1\x0d\xb8" + bytes(12))),
    "exchangers": answer(10, (MX, b"\0\x0a\2mx\xc0\x0c"), (MX, b"\0\0\0"), (MX, b"\0\1\x05[::1]\0")),
    "associations": answer(11, (TLSA, b"\3\1\1" + bytes(range(32))), (TLSA, b"\2\0\2" + bytes(64))),
    "texts": answer(4, (TXT, b"\x09v=STSv1; \4id=1"), (TXT, b"\0")),
    "alias": answer(11, (CNAME, b"\1a\0"), (CNAME, b"\1b\0"), (TLSA, b"\3\1\1abcd")),
    "alias-alone": answer(8, (CNAME, b"\1a\0")),
    "no-data": b"\2\x81\x80\0\1\0\0\0\1\0\0" + b"\0" + struct.pack(">HHIH", SOA, 1, 60, 22) + b"\0\0" + bytes(20),
    "no-such-name": answer(2, flags=b"\x81\x83"),
    "refused": answer(3, flags=b"\x81\x85"),
}

INFO = b'INFO {"server_id":"X","server_name":"n0","version":"2.15.1","headers":true,"max_payload":1048576,"connect_urls":["[::1]:4222"]} \r\n'
REPORT = b'{"config":{"num_replicas":3,"subjects":["mail.>"]},"cluster":{"leader":"n2","replicas":[{"name":"a","offline":true}]}}'
# What servers of a stream say. The octet in front says into which parts it is cut.
STREAMS = {
    "opening": b"\3" + INFO + b"PING\r\nPONG\r\n+OK\r\n",
    "complaint": b"\7-ERR 'Authorization Violation'\r\n",
    "report": b"\x09MSG _INBOX.0.link1 1 %d\r\n%s\r\n" % (len(REPORT), REPORT),
    "status": b"\5HMSG _INBOX.0.7 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
    "message": b"\4HMSG mail.message.a 1 $JS.ACK.MAIL.d.1.2.3.4.5 29 31\r\nNATS/1.0\r\nNats-Msg-Id: a1\r\n\r\nhi\r\n",
    "too-long": b"\1MSG a 1 1200000\r\nx",
}


def packet(command, data=b""):
    return struct.pack(">I", len(data) + 1) + command + data


AGREED = packet(b"O", struct.pack(">III", 6, 0x1FF, 0x400))
TO_THE_END = AGREED + 4 * packet(b"c")
# What filters say. The octets in front say into which parts it is cut, and how far the session goes.
FILTERS = {
    "version-2": b"\3\0" + packet(b"O", struct.pack(">III", 2, 0x1F, 0)) + packet(b"a"),
    "macros": b"\5\0" + packet(b"O", struct.pack(">IIII", 6, 0x100, 0x100000, 0) + b"j {client_addr}\0"),
    "reply": b"\4\2" + AGREED + 2 * packet(b"c") + packet(b"y", b"550-5.7.1 100%%\r\n550 5.7.1 Spam\0"),
    "skip": b"\1\4" + AGREED + 3 * packet(b"c") + packet(b"s") + packet(b"p") + packet(b"d"),
    "header": b"\7\x0c" + TO_THE_END + packet(b"h", b"X\0a\n b\0") + packet(b"i", b"\0\0\0\1Y\0c\0")
    + packet(b"m", b"\0\0\0\2A\0\0") + packet(b"a"),
    "envelope": b"\6\4" + TO_THE_END + packet(b"+", b"<a@b>\0") + packet(b"2", b"<a@b>\0NOTIFY=NEVER\0")
    + packet(b"-", b"<a@b>\0") + packet(b"e", b"<>\0") + packet(b"q", b"why\0") + packet(b"c"),
    "body": b"\2\4" + TO_THE_END + packet(b"b", b"a\r\nb\n") + packet(b"b") + packet(b"c"),
}


def said(dialogue):
    """What the client says, and the policy octet of the server it says it to."""
    octets, policy = b"", 0
    for line in dialogue.read_bytes().splitlines():
        mark, text = line[:2], unescape(line[3:]) if line[:1] == b"C" else line[3:]
        if mark == b"C:":
            octets += text + b"\r\n"
        elif mark == b"C~":
            octets += text
        elif mark == b"C*":
            count, repeated = text.split(b" ", 1)
            octets += int(count) * repeated
        elif line.startswith(b"options: "):
            options = line.decode()
            mode = re.search("--bare-newline (\\w+)", options)
            policy = 3 if "--end-of-data" in options else MODES[mode[1]] if mode else 0
            policy += 4 * ("--max-" in options) + 8 * ("--domain" in options)
            policy += 64 * ("--listen-lmtp" in options) + 128 * ("--listen-submission" in options)
        elif line == b"config: [mailboxes]":
            policy += 32
    # What is long is as good short; only the lengths of lines matter, up to the longest.
    return re.sub(rb"(.)\1{700,}", rb"\1" * 600, octets), policy


def main():
    shutil.rmtree(HERE / "seeds", ignore_errors=True)
    seeds = {("proxy", name): header for name, header in HEADERS.items()}
    seeds |= {("login", name): login for name, login in LOGINS.items()}
    seeds |= {("dns", name): answer for name, answer in ANSWERS.items()}
    seeds |= {("stream", name): octets for name, octets in STREAMS.items()}
    seeds |= {("milter", name): octets for name, octets in FILTERS.items()}
    for dialogue in sorted((HERE / "../dialogues").glob("*.txt")):
        octets, policy = said(dialogue)
        name, mode = dialogue.stem, min(policy % 4, 2)
        seeds["session", name] = bytes([policy, 0, 7]) + octets
        commands = octets.split(b"DATA\r\n")
        seeds["command", name] = bytes([mode, 7]) + commands[0]
        for message in commands[1:2]:
            rules = mode + (3 if policy % 4 == 3 else 0)
            seeds["data", name] = bytes([rules, 7]) + message
        for address in re.findall(rb"(?:MAIL FROM|RCPT TO):([^\r\n]+)", octets):
            slug = re.sub(r"\W+", "-", address[:40].decode("latin-1"), flags=re.ASCII)
            seeds["path", slug.strip("-").lower() or "null"] = address
    written = {target: set() for target, _ in seeds}
    for (target, name), octets in seeds.items():
        if octets not in written[target]:
            written[target].add(octets)
            path = HERE / "seeds" / target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)


main()
