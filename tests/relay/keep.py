"""Keeps what aiosmtpd takes, a file a message, as it came."""
import itertools
import os


class Keep:
    def __init__(self, folder):
        self.folder = folder
        self.numbers = itertools.count()

    @classmethod
    def from_cli(cls, parser, folder):
        return cls(folder)

    async def handle_DATA(self, server, session, envelope):
        path = os.path.join(self.folder, f"{next(self.numbers):06}")
        # A file is there whole or not at all.
        with open(path + ".part", "wb") as file:
            file.write(envelope.original_content)
        os.makedirs(os.path.join(self.folder, "new"), exist_ok=True)
        os.rename(path + ".part", os.path.join(self.folder, "new", os.path.basename(path)))
        return "250 2.0.0 Ok"
