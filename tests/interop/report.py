"""Reads reports: files of messages whose lines end in LF. Fails unless each is a report as RFC 3464 and RFC 6522 have it."""
import email
import email.policy
import re
import sys
from email.utils import parsedate_to_datetime

TEXT = r"[ -~]*[!-~]"
DATE = "date"
# Names in lower case; whether the field is needed.
MESSAGE_FIELDS = {
    "original-envelope-id": (False, TEXT),
    "reporting-mta": (True, r"dns; [a-z0-9.-]+"),
    "x-mailoop-queue-id": (True, r"Q[0-9A-F]{12,}"),
    "arrival-date": (False, DATE),
}
ADDRESS = r"(rfc822; [!-~ ]+|utf-8; ([!-*,-<>-\[\]-~]|\\x\{[0-9A-F]{2,6}\})+)"
RECIPIENT_FIELDS = {
    "original-recipient": (False, ADDRESS),
    "final-recipient": (True, ADDRESS),
    "action": (True, r"failed|delayed|delivered|relayed"),
    "status": (True, r"[245]\.[0-9]{1,3}\.[0-9]{1,3}"),
    "remote-mta": (False, r"dns; [!-~]+"),
    "diagnostic-code": (False, r"(smtp|x-mailoop); " + TEXT),
    "last-attempt-date": (False, DATE),
    "will-retry-until": (False, DATE),
}
CLASSES = {"failed": "45", "delayed": "4", "delivered": "2", "relayed": "2"}


def check_group(group, fields):
    names = [name.lower() for name in group.keys()]
    assert len(set(names)) == len(names), names
    # The order of RFC 3464, which is that of the table.
    assert names == [name for name in fields if name in names], names
    for name, (needed, form) in fields.items():
        value = group[name]
        assert value is not None or not needed, name
        if value is None:
            continue
        value = re.sub(r"\r?\n(?=[ \t])", "", str(value))
        if form == DATE:
            parsedate_to_datetime(value)
        else:
            assert re.fullmatch(form, value), (name, value)


def check(path):
    octets = open(path, "rb").read().replace(b"\n", b"\r\n")
    assert octets.isascii()
    message = email.message_from_bytes(octets, policy=email.policy.SMTP)
    for part in message.walk():
        assert not part.defects, (part.get_content_type(), part.defects)
    for name in ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version"]:
        assert len(message.get_all(name)) == 1, name
        assert not message[name].defects, (name, message[name].defects)
    assert message["Auto-Submitted"] == "auto-replied"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    text, status, original = message.get_payload()
    assert text.get_content_type() == "text/plain"
    assert text.get_content().strip()
    assert status.get_content_type() == "message/delivery-status"
    about_message, *about_recipients = status.get_payload()
    check_group(about_message, MESSAGE_FIELDS)
    assert about_recipients
    for group in about_recipients:
        check_group(group, RECIPIENT_FIELDS)
        assert group["Status"][0] in CLASSES[group["Action"]], str(group)
        assert (group["Will-Retry-Until"] is not None) == (group["Action"] == "delayed")
    kinds = ["text/rfc822-headers", "message/rfc822", "message/global-headers"]
    assert original.get_content_type() in kinds
    if original.get_content_maintype() == "text":
        returned = email.message_from_string(original.get_content())
    else:
        [returned] = original.get_payload()
    assert returned["Subject"]
    print(path, message["Subject"], *(group["Action"] for group in about_recipients))


for path in sys.argv[1:]:
    check(path)
