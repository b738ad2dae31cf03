"""Composes a message and sends it: smtplib_compose.py PORT RECIPIENT SUBJECT TEXT ATTACHMENT"""

import smtplib
import sys
from email.message import EmailMessage

port, recipient, subject, text, attachment = sys.argv[1:]
message = EmailMessage()
message["From"] = "Ada <ada@example.org>"
message["To"] = recipient
message["Subject"] = subject
message.set_content(text)
with open(attachment, "rb") as file:
    message.add_attachment(file.read(), maintype="application", subtype="octet-stream", filename="picture.bin")

with smtplib.SMTP("127.0.0.1", int(port)) as client:
    client.set_debuglevel(1)
    client.send_message(message)
