// Sends a message over TLS:
// nodemailer_secured.js (starttls | tls) PORT NAME AUTHORITY MESSAGE RECIPIENT [MECHANISM USER PASSWORD]
// NAME is what the server's certificate must say, AUTHORITY the file of whom is to be trusted.
"use strict";

const fs = require("node:fs");
const nodemailer = require("nodemailer");

const [way, port, servername, authority, path, to, authMethod, user, pass] = process.argv.slice(2);
const tls = { ca: fs.readFileSync(authority), servername };
const envelope = { from: "ada@example.org", to };

nodemailer
  .createTransport({
    host: "127.0.0.1",
    port,
    name: "client.example.org",
    secure: way === "tls",
    requireTLS: way === "starttls",
    tls,
    auth: user && { user, pass },
    authMethod,
    logger: true,
    debug: true,
  })
  .sendMail({ envelope, raw: fs.readFileSync(path) })
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
