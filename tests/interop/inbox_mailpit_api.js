// The client of Mailpit that JavaScript has: inbox_mailpit_api.js URL SMTP_PORT. A mail is sent by nodemailer; each call of the client
// that tests of applications make is made once.
"use strict";

const assert = require("node:assert/strict");
const nodemailer = require("nodemailer");
const { MailpitClient } = require("mailpit-api");

const [url, port] = process.argv.slice(2);
const mailpit = new MailpitClient(url, { auth: { username: "any", password: "any" } });
const transport = nodemailer.createTransport({ host: "127.0.0.1", port, ignoreTLS: true, auth: { user: "ada", pass: "any" } });

const send = (mail) => transport.sendMail({ from: "Ada <ada@example.org>", to: "Bob <bob@example.org>", text: "Hello", ...mail });

async function main() {
  assert.deepEqual((await mailpit.listMessages()).messages, []);
  // The call that waits is answered by polling; that of ours is tested elsewhere.
  const waited = mailpit.waitForMessage({ query: "subject:Welcome" }, { timeout: 60_000, interval: 20 });
  await send({
    subject: "Welcome caf\u00e9",
    cc: "carol@example.org",
    bcc: "eve@example.org",
    replyTo: "reply@example.org",
    html: '<p>Hello <a href="https://example.org/confirm?code=1234">confirm</a></p><img src="cid:logo@x">',
    attachments: [
      { filename: "r\u00e9sum\u00e9.pdf", content: Buffer.from("%PDF-1.4") },
      { filename: "logo.png", content: Buffer.from("\x89PNG", "latin1"), cid: "logo@x" },
    ],
  });
  await send({ subject: "Second", to: "carol@example.org" });

  const message = await waited;
  assert.equal(message.Subject, "Welcome caf\u00e9");
  assert.deepEqual(message.From, { Name: "Ada", Address: "ada@example.org" });
  assert.deepEqual(message.To, [{ Name: "Bob", Address: "bob@example.org" }]);
  assert.deepEqual(message.Cc, [{ Name: "", Address: "carol@example.org" }]);
  assert.deepEqual(message.Bcc, [{ Name: "", Address: "eve@example.org" }]);
  assert.deepEqual(message.ReplyTo, [{ Name: "", Address: "reply@example.org" }]);
  assert.equal(message.ReturnPath, "ada@example.org");
  assert.equal(message.Username, "ada");
  assert.equal(message.Text.trimEnd(), "Hello");
  assert.match(message.HTML, /confirm\?code=1234/);
  assert.equal(message.Attachments[0].FileName, "r\u00e9sum\u00e9.pdf");
  assert.equal(message.Attachments[0].ContentType, "application/pdf");
  assert.equal(message.Inline[0].ContentID, "logo@x");
  assert.deepEqual(message.Tags, []);
  assert.ok(new Date(message.Date).getTime() > 0);

  const list = await mailpit.waitForMessages({ count: 2 }, { interval: 20 });
  assert.deepEqual(list.messages.map((one) => one.Subject), ["Second", "Welcome caf\u00e9"]);
  assert.deepEqual([list.total, list.unread, list.messages_count, list.start], [2, 1, 2, 0]);
  assert.equal(list.messages[1].Attachments, 1);
  assert.equal(list.messages[1].Snippet, "Hello confirm ( https://example.org/confirm?code=1234 )");
  assert.equal((await mailpit.listMessages(1, 1)).messages[0].ID, message.ID);
  assert.equal((await mailpit.searchMessages({ query: 'to:carol@example.org "second"' })).messages_count, 1);

  const headers = await mailpit.getMessageHeaders(message.ID);
  assert.deepEqual(headers["Message-Id"], [`<${message.MessageID}>`]);
  const source = await mailpit.getMessageSource(message.ID);
  assert.match(source, /^Return-Path: <ada@example.org>\r\nReceived: from /);
  const file = await mailpit.getMessageAttachment(message.ID, message.Attachments[0].PartID);
  assert.equal(file.type, "application/pdf");
  assert.equal(await file.text(), "%PDF-1.4");
  assert.match(await mailpit.renderMessageHTML(message.ID), /src="data:image\/png;base64,/);
  assert.equal((await mailpit.renderMessageText("latest")).trimEnd(), "Hello");

  assert.equal(await mailpit.setReadStatus({ IDs: [message.ID], Read: false }), "ok");
  assert.equal(await mailpit.setReadStatus({ Search: "subject:Second", Read: true }), "ok");
  assert.equal((await mailpit.searchMessages({ query: "is:unread" })).messages[0].ID, message.ID);

  const info = await mailpit.getInfo();
  assert.deepEqual([info.Messages, info.Unread], [2, 1]);
  assert.equal((await mailpit.getConfiguration()).MessageRelay.Enabled, false);
  assert.deepEqual(await mailpit.getTags(), []);
  await assert.rejects(mailpit.getChaosTriggers(), /400/);
  await assert.rejects(mailpit.getMessageSummary("none"), /404/);

  await mailpit.deleteMessagesBySearch({ query: "subject:Second" });
  assert.equal((await mailpit.listMessages()).total, 1);
  await mailpit.deleteMessages({ IDs: [message.ID] });
  assert.equal((await mailpit.listMessages()).total, 0);
  await send({ subject: "Third" });
  await mailpit.deleteMessages();
  assert.equal((await mailpit.waitForMessages({ count: 0 }, { interval: 20 })).total, 0);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
