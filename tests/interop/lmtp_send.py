"""Sends a message by LMTP, to a socket file or a port: lmtp_send.py PLACE MESSAGE RECIPIENT..."""

import smtplib
import sys

place, path, *recipients = sys.argv[1:]
with open(path, "rb") as file:
    message = file.read().replace(b"\n", b"\r\n")

host, port = (place, 0) if place.startswith("/") else ("127.0.0.1", int(place))
with smtplib.LMTP(host, port, "client.example.org") as client:
    client.ehlo()
    client.mail("ada@example.org")
    for recipient in recipients:
        client.rcpt(recipient)
    # smtplib hears one reply behind a message; the others are ours to read.
    replies = [client.data(message)]
    replies += [client.getreply() for _ in recipients[1:]]
    for recipient, (code, _) in zip(recipients, replies):
        print(recipient, code)
