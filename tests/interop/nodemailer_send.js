// Sends a message byte for byte: nodemailer_send.js PORT MESSAGE RECIPIENT...
"use strict";

const fs = require("node:fs");
const nodemailer = require("nodemailer");

const [port, path, ...to] = process.argv.slice(2);
const raw = fs.readFileSync(path);
const envelope = { from: "ada@example.org", to, use8BitMime: raw.some((byte) => byte > 127) };

nodemailer
  .createTransport({ host: "127.0.0.1", port, name: "client.example.org", ignoreTLS: true, logger: true, debug: true })
  .sendMail({ envelope, raw })
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
