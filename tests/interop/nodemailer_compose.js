// Composes a message and sends it: nodemailer_compose.js PORT RECIPIENT SUBJECT TEXT ATTACHMENT
"use strict";

const nodemailer = require("nodemailer");

const [port, to, subject, text, path] = process.argv.slice(2);
const attachments = [{ filename: "picture.bin", path }];

nodemailer
  .createTransport({ host: "127.0.0.1", port, ignoreTLS: true, logger: true, debug: true })
  .sendMail({ from: "Ada <ada@example.org>", to, subject, text, attachments })
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
