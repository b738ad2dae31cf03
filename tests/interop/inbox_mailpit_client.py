"""The client of Mailpit that Python has: inbox_mailpit_client.py URL SMTP_PORT. Mail is sent by smtplib."""

import email.message
import smtplib
import sys

from mailpit.client.api import API

url, port = sys.argv[1:]
api = API(url, timeout=60)


def send(subject):
    message = email.message.EmailMessage()
    message["From"] = "Ada <ada@example.org>"
    message["To"] = "Bob <bob@example.org>"
    message["Subject"] = subject
    message["Date"] = "Sat, 28 Nov 2026 16:09:45 +0100"
    message["Message-ID"] = f"<{subject}@example.org>"
    # The client reads headers of messages that were delivered already.
    message["Delivered-To"] = "bob@example.org"
    message.set_content("Hello")
    message.add_attachment(b"a,b\n", maintype="text", subtype="csv", filename="table.csv")
    with smtplib.SMTP("127.0.0.1", int(port)) as client:
        client.send_message(message, to_addrs=["bob@example.org", "eve@example.org"])


assert api.get_messages().total == 0
send("first")
send("second")

messages = api.get_messages()
assert (messages.total, messages.unread, messages.count, messages.start) == (2, 2, 2, 0), messages
assert [one.subject for one in messages.messages] == ["second", "first"], messages
summary = api.get_messages(limit=1, start=1).messages[0]
assert summary.message_id == "first@example.org", summary
assert summary.bcc[0].address == "eve@example.org", summary
assert summary.attachments == 1, summary

message = api.get_message(summary.id)
assert message.read and message.from_.name == "Ada" and message.to[0].address == "bob@example.org", message
assert message.date.isoformat() == "2026-11-28T16:09:45+01:00", message
assert message.text.split() == ["Hello"] and message.html == "", message
assert api.get_messages().unread == 1

attachment = message.attachments[0]
assert (attachment.file_name, attachment.content_type, attachment.size) == ("table.csv", "text/csv", 4), attachment
assert api.get_message_attachment(message.id, attachment.part_id) == "a,b\n"
headers = api.get_message_headers(message.id)
assert headers.message_id == ["<first@example.org>"], headers
assert headers.additional["Subject"] == ["first"], headers

# The client sends its lists as a form.
api.put_messages([message.id], "Read", False)
assert api.get_messages().unread == 2
api.delete_messages([message.id])
assert api.get_messages().total == 1
api.delete_messages([])
assert api.get_messages().total == 0
