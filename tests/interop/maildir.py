"""Prints the subject of every message in a mailbox, as Python's mailbox module finds them."""

import email
import email.policy
import mailbox
import sys


def read(file):
    return email.message_from_binary_file(file, policy=email.policy.default)


sys.stdout.reconfigure(encoding="utf-8", newline="\n")
for message in mailbox.Maildir(sys.argv[1], factory=read, create=False):
    print(message["Subject"])
