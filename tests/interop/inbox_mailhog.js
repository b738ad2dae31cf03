// The client of MailHog that JavaScript has: inbox_mailhog.js HTTP_PORT SMTP_PORT. A mail is sent by nodemailer; each call of the
// client is made once.
"use strict";

const assert = require("node:assert/strict");
const nodemailer = require("nodemailer");

const [http, smtp] = process.argv.slice(2);
const mailhog = require("mailhog")({ host: "127.0.0.1", port: Number(http) });
const transport = nodemailer.createTransport({ host: "127.0.0.1", port: smtp, ignoreTLS: true });

const send = (mail) => transport.sendMail({ from: "Ada <ada@example.org>", to: "Bob <bob@example.org>", text: "Hello", ...mail });

async function main() {
  assert.equal((await mailhog.messages()).total, 0);
  assert.equal(await mailhog.latestTo("bob@example.org"), 0);
  await send({ subject: "First" });
  await send({
    // Without a blank, which the client takes for an underscore.
    subject: "Caf\u00e9\u20ac",
    bcc: "eve@example.org",
    text: "caf\u00e9, and a line that is long enough to be folded by quoted-printable, which its reader undoes",
    html: "<b>caf\u00e9</b>",
    attachments: [{ filename: "a.bin", content: Buffer.from([0, 255, 1]) }],
  });

  const all = await mailhog.messages();
  assert.deepEqual([all.total, all.count, all.start], [2, 2, 0]);
  assert.deepEqual(all.items.map((item) => item.subject), ["Caf\u00e9\u20ac", "First"]);
  const page = await mailhog.messages(1, 1);
  assert.equal(page.items[0].text, "Hello\r\n");

  const message = await mailhog.latestTo("eve@example.org");
  assert.equal(message.from, "Ada <ada@example.org>");
  assert.equal(message.to, "Bob <bob@example.org>");
  assert.match(message.Created, /^\d{4}-/);
  assert.ok(message.date.getTime() > 0 && message.deliveryDate.getTime() > 0);
  assert.deepEqual(message.Raw.To, ["bob@example.org", "eve@example.org"]);
  const [file] = message.attachments;
  assert.deepEqual([file.name, file.type, file.encoding], ["a.bin", "application/octet-stream; name=a.bin", "base64"]);
  assert.deepEqual([...Buffer.from(file.Body, "base64")], [0, 255, 1]);

  // MailHog looks for texts in parts one level deep, and so does its client.
  await send({ subject: "Alternative", text: "caf\u00e9, and a line that is long enough to be folded by quoted-printable, which its reader undoes", html: "<b>caf\u00e9</b>" });
  const alternative = await mailhog.latestContaining("undoes");
  assert.match(alternative.text, /^caf\u00e9, and a line .* undoes$/);
  assert.equal(alternative.html, "<b>caf\u00e9</b>");
  assert.equal((await mailhog.latestFrom("ada@")).ID, alternative.ID);
  assert.equal((await mailhog.search("bob", "to", 1, 1)).count, 1);

  assert.equal((await mailhog.deleteMessage(message.ID)).statusCode, 200);
  assert.equal((await mailhog.messages()).total, 2);
  assert.equal((await mailhog.deleteAll()).statusCode, 200);
  assert.equal((await mailhog.messages()).total, 0);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
