"""Sends a message over TLS:
smtplib_secured.py (starttls | tls) PORT NAME AUTHORITY MESSAGE RECIPIENT [MECHANISM USER PASSWORD]

NAME is what the server's certificate must say, AUTHORITY the file of whom is to be trusted.
"""

import smtplib
import ssl
import sys

way, port, name, authority, path, recipient, *login = sys.argv[1:]
with open(path, "rb") as file:
    message = file.read().replace(b"\n", b"\r\n")

context = ssl.create_default_context(cafile=authority)
hello = "client.example.org"
client = smtplib.SMTP_SSL(local_hostname=hello, context=context) if way == "tls" else smtplib.SMTP(local_hostname=hello)
with client:
    client.set_debuglevel(1)
    # What it asks for and looks for is otherwise the name by which it connects.
    client._host = name
    client.connect("127.0.0.1", int(port))
    if way == "starttls":
        client.starttls(context=context)
    if login:
        mechanism, client.user, client.password = login
        client.ehlo()
        client.auth(mechanism, getattr(client, "auth_" + mechanism.lower()))
    client.sendmail("ada@example.org", recipient, message)
