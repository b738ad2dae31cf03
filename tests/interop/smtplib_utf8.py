"""Sends a message from and to addresses in UTF-8: smtplib_utf8.py PORT SENDER RECIPIENT SUBJECT TEXT"""

import smtplib
import sys
from email.message import EmailMessage

port, sender, recipient, subject, text = sys.argv[1:]
message = EmailMessage()
message["From"] = sender
message["To"] = recipient
message["Subject"] = subject
message.set_content(text, cte="8bit")

with smtplib.SMTP("127.0.0.1", int(port), "client.example.org") as client:
    client.set_debuglevel(1)
    client.send_message(message)
