"""Sends a message byte for byte: smtplib_send.py PORT MESSAGE RECIPIENT..."""

import smtplib
import sys

port, path, *recipients = sys.argv[1:]
with open(path, "rb") as file:
    message = file.read().replace(b"\n", b"\r\n")

with smtplib.SMTP("127.0.0.1", int(port), "client.example.org") as client:
    client.set_debuglevel(1)
    client.ehlo()
    options = [] if message.isascii() else ["BODY=8BITMIME"]
    client.sendmail("ada@example.org", recipients, message, options)
