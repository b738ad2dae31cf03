// The HTML of a message is shown, and nothing that it names is asked for: hostile.js URL SMTP FOLDER
// A listener of ours counts connections, and the log of the browser's network tells of names that it looked up.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { check, folder, open, picture, send, test, withBrowser } = require("./browser.js");

/** A name that is looked up nowhere else. */
const NAME = "tracker-of-the-test.example";

const html = (at) => `<!doctype html><html><head>
<meta http-equiv="refresh" content="0;url=${at}/refresh">
<link rel="stylesheet" href="${at}/style.css"><link rel="prefetch" href="${at}/prefetch"><link rel="preload" as="image" href="${at}/preload">
<link rel="dns-prefetch" href="//dns.${NAME}"><link rel="preconnect" href="${at}"><link rel="icon" href="${at}/icon">
<link rel="modulepreload" href="${at}/module.js"><link rel="manifest" href="${at}/manifest">
<base href="${at}/base/">
<style>@import url("${at}/import.css"); @font-face { font-family: x; src: url("${at}/font"); }
p { background: url("${at}/background"); font-family: x; list-style-image: url("${at}/list"); cursor: url("${at}/cursor"), auto; }</style>
<script>fetch("${at}/fetch"); new Image().src = "${at}/image"; top.location = "${at}/top"; parent.document.title = "mine";</script>
<script src="${at}/script.js"></script></head>
<body background="${at}/body" onload="location='${at}/onload'"><p id="seen">The hostile message</p>
<img src="${at}/img" srcset="${at}/srcset 2x" onerror="fetch('${at}/onerror')"><img src="relative.png"><img src="//${NAME}/img">
<picture><source srcset="${at}/source"><img src="${at}/picture"></picture>
<svg width="9" height="9"><image href="${at}/svg"/><use href="${at}/use#x"/><script>fetch("${at}/svgscript")</script><foreignObject><img src="${at}/foreign"></foreignObject></svg>
<iframe src="${at}/iframe"></iframe><iframe srcdoc="&lt;img src='${at}/srcdoc'&gt;"></iframe><frame src="${at}/frame">
<object data="${at}/object"><embed src="${at}/embed"></object><applet code="${at}/applet"></applet>
<video src="${at}/video" poster="${at}/poster" autoplay></video><audio src="${at}/audio" autoplay></audio><track src="${at}/track">
<form id="form" action="${at}/form"><input name="a" autofocus onfocus="form.submit()"><input type="image" src="${at}/inputimage"><button formaction="${at}/button">go</button></form>
<a href="http://a.${NAME}/" ping="${at}/ping">a link</a><a href="javascript:fetch('${at}/javascript')">another</a>
<table background="${at}/table"><tr><td style="background:url(${at}/inline)">x</td></tr></table>
<math><mtext href="${at}/math">m</mtext></math><portal src="${at}/portal"></portal><noscript><img src="${at}/noscript"></noscript>
</body></html>`;

async function look(browser, at) {
  const text = html(at);
  await send(`From: eve@example.org\nTo: bob@example.org\nSubject: <img src=${at}/subject>\nMIME-Version: 1.0\nContent-Type: text/html\n\n${text}`, "bob@example.org");
  const page = await open(browser);
  await page.locator("#messages li a").first().click();
  await page.frameLocator("#message iframe").getByText("The hostile message").waitFor();
  await page.locator("#message .links summary").click();
  await page.locator("#message .links a").first().waitFor();
  await picture(page, "hostile");
  for (const tab of ["Text", "Headers", "Source", "Transcript", "HTML"]) {
    await page.locator(".tabs").getByText(tab).click();
    await page.locator("#body > *").first().waitFor();
  }
  await page.frameLocator("#message iframe").getByText("The hostile message").waitFor();
  check(page.url().startsWith(await page.evaluate(() => location.origin)), "the page is another");
  check((await page.title()).includes("mailoop"), "the title is another");
  // Alone, where no frame of ours holds it, its own policy does.
  const href = await page.locator("#message iframe").getAttribute("src");
  const alone = await open(browser, href);
  await alone.getByText("The hostile message").waitFor();
  // Whatever was begun at that time has its time to get through: a request to ourselves that comes after all of them.
  await page.reload();
  await page.frameLocator("#message iframe").getByText("The hostile message").waitFor();
}

test(async () => {
  const asked = [];
  let connections = 0;
  const listener = http.createServer((request, response) => {
    asked.push(request.url);
    response.end();
  });
  listener.on("connection", () => (connections += 1));
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  const at = `http://127.0.0.1:${listener.address().port}`;
  const netLog = path.join(folder, "net.json");
  await withBrowser((browser) => look(browser, at), `--log-net-log=${netLog}`);
  // That it counts at all: a request of ours.
  await fetch(`${at}/counted`);
  check(asked.join() === "/counted", `asked for: ${asked}`);
  check(connections === 1, `${connections} connections`);
  listener.closeAllConnections();
  listener.close();
  const log = fs.readFileSync(netLog, "utf8");
  check(log.includes("/view/"), "the log of the network tells nothing");
  check(!log.includes(NAME), `the browser looked up ${NAME}`);
});
