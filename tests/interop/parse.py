"""Reads a stored message as a mail reader does: prints its subject and its text, writes its attachment to a file."""

import email
import email.policy
import sys

stored, attachment_file = sys.argv[1:]
with open(stored, "rb") as file:
    message = email.message_from_binary_file(file, policy=email.policy.default)

[attachment] = message.iter_attachments()
with open(attachment_file, "wb") as file:
    file.write(attachment.get_payload(decode=True))

sys.stdout.reconfigure(encoding="utf-8", newline="\n")
print(message["Subject"])
print(message.get_body(("plain",)).get_content().rstrip())
