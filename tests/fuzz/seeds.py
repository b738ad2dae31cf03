#!/usr/bin/env python3
"""Writes seeds/, one small file for each thing that a dialogue in ../dialogues says to a target."""

import pathlib
import re
import shutil

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
