// The requests of cypress-mailpit, as its source has them, and what its commands take out of the answers: inbox_cypress.js URL.
// Cypress itself is too much to install for that. The helpers of Playwright that people write make the same requests.
"use strict";

const assert = require("node:assert/strict");

const [base] = process.argv.slice(2);

// cy.request fails unless the status is 2xx or 3xx, and reads JSON where the answer says that it is some.
async function request(method, path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const response = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.status < 400, `${method} ${path}: ${response.status}`);
  const isJson = /json/.test(response.headers.get("content-type"));
  return isJson ? response.json() : response.text();
}
const search = (query) => request("GET", `/api/v1/search?query=${encodeURIComponent(query)}&start=0&limit=50`);

async function main() {
  // mailpitGetAllMails, mailpitGetMail
  const all = await request("GET", "/api/v1/messages?start=0&limit=50");
  assert.equal(all.messages.length, 1);
  const mail = await request("GET", "/api/v1/message/latest");
  assert.equal(mail.ID, all.messages[0].ID);
  // mailpitHasEmailsBySubject, mailpitHasEmailsByTo, mailpitNotHasEmailsBySearch
  assert.equal((await search("subject:hello there")).messages_count, 1);
  assert.equal((await search("to:bob@example.org")).messages_count, 1);
  assert.equal((await search("nowhere")).messages_count, 0);
  // mailpitGetFromAddress, mailpitGetRecipientAddress, mailpitGetAttachments
  assert.equal(mail.From.Address, "ada@example.org");
  assert.deepEqual(mail.To.map((to) => to.Address), ["bob@example.org"]);
  assert.deepEqual(mail.Attachments.map((file) => file.FileName), []);
  // mailpitGetMailTextBody
  assert.match(await request("GET", `/view/${mail.ID}.txt`), /^This is a test mailing/);
  // mailpitSetStatusAsUnRead, mailpitSetAllEmailStatusAsRead
  assert.equal(await request("PUT", "/api/v1/messages", { IDs: [mail.ID], Read: false }), "ok");
  assert.equal((await search("is:unread")).messages_count, 1);
  await request("PUT", "/api/v1/messages", { IDs: [], Read: true });
  assert.equal((await search("is:unread")).messages_count, 0);
  // mailpitDeleteEmailsBySearch, mailpitDeleteAllEmails
  await request("DELETE", "/api/v1/search?query=nowhere");
  assert.equal((await request("GET", "/api/v1/messages")).total, 1);
  await request("DELETE", "/api/v1/messages");
  assert.equal((await request("GET", "/api/v1/messages")).total, 0);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
