// The page of mailoop: an inbox for tests, and the loop as it runs. No framework, no build step, no request to anybody else.
// What a message or a client says is put in as text, never as HTML; the HTML of a message is shown in a frame that may do nothing.
'use strict';

/* ---- Small tools ---- */

const $ = id => document.getElementById(id);

/** Makes an element. Children that are no nodes become text; a property `on…` is a listener. */
function el(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name || 'div');
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key in element && key !== 'list') element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

/** Asks the server; a refusal is an error with what the server said. */
async function ask(path, options = {}) {
  const response = await fetch(path, options);
  if (!response.ok) throw Object.assign(new Error((await response.text()).trim() || `${response.status}`), { status: response.status });
  return response;
}
const askJson = async (path, options) => (await ask(path, options)).json();
const sleep = ms => new Promise(done => setTimeout(done, ms));
const many = (n, one, more = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : more}`;
const octets = n => n < 10240 ? many(n, 'octet') : n < 1048576 ? `${Math.round(n / 1024)} KiB` : `${(n / 1048576).toFixed(1)} MiB`;
const span = us => us < 1000 ? `${us} µs` : us < 1e6 ? `${(us / 1000).toFixed(us < 1e4 ? 1 : 0)} ms` : us < 6e7 ? `${(us / 1e6).toFixed(1)} s` : us < 36e8 ? `${Math.round(us / 6e7)} min` : `${Math.round(us / 36e8)} h`;
const mailbox = ({ Name, Address } = {}) => Name ? `${Name} <${Address}>` : Address || '<>';

function when(text) {
  const date = new Date(text);
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString([], { hour12: false }) : date.toLocaleDateString([], { month: 'short', day: 'numeric' });
}

/** A line to be typed elsewhere, with a button that copies it. */
function toType(line) {
  const button = el('button.quiet', { type: 'button', onclick: async () => {
    try { await navigator.clipboard.writeText(line); button.textContent = 'Copied'; } catch { getSelection().selectAllChildren(code); }
  } }, 'Copy');
  const code = el('code', {}, line);
  return el('div.to-type', {}, code, button);
}

/** Puts the rows in this order into a list. Rows that stay are not touched, so that they keep the focus. */
function arrange(list, rows) {
  const stay = new Set(rows);
  for (const row of [...list.children]) if (!stay.has(row)) row.remove();
  rows.forEach((row, i) => { if (list.children[i] !== row) list.insertBefore(row, list.children[i] || null); });
}

function trouble(text) {
  $('trouble').hidden = !text;
  $('trouble').textContent = text || '';
}

const store = { // What the browser may refuse to keep.
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* Then it is forgotten. */ } },
};

/* ---- Views ---- */

const loopAlone = location.pathname === '/loop';
let smtp = { host: '127.0.0.1', port: loopAlone ? '2525' : '1025' };
let view = '';

function route() {
  const [name = '', id, tab] = loopAlone ? ['loop'] : location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  view = ['sessions', 'rules', 'loop'].includes(name) ? name : 'inbox';
  for (const section of document.querySelectorAll('main > section')) section.hidden = section.id !== view;
  for (const link of document.querySelectorAll('nav a')) link.ariaCurrent = link.dataset.view === view ? 'page' : null;
  document.body.className = `${view} ${loopAlone ? 'alone' : ''} ${id ? 'reading' : ''}`;
  if (view === 'inbox') openMessage(name === 'message' ? id : '', tab);
  if (view === 'sessions') { loadSessions().catch(error => trouble(error.message)); openSession(id); }
  if (view === 'rules') loadRules().catch(error => trouble(error.message));
  if (view === 'loop') watchLoop(); else leaveLoop();
}

const go = (...parts) => { location.hash = `#/${parts.map(encodeURIComponent).join('/')}`; };

/* ---- Inbox ---- */

const PAGE = 100;
const inbox = { messages: [], rows: new Map(), shown: PAGE, total: 0, open: '', message: null, first: true };

async function loadMessages() {
  const query = $('query').value.trim();
  const path = query ? `/api/v1/search?query=${encodeURIComponent(query)}&` : '/api/v1/messages?';
  let list, fault = '';
  try {
    list = await askJson(`${path}limit=${inbox.shown}`);
  } catch (error) {
    if (!query || error.status !== 400) throw error;
    [list, fault] = [{ messages: [], count: 0, unread: inbox.unread }, error.message]; // Not typed to its end, as `from:`.
  }
  inbox.unread = list.unread;
  const known = new Set(inbox.messages.map(message => message.ID));
  const fresh = list.messages.filter(message => !known.has(message.ID));
  inbox.messages = list.messages;
  inbox.total = query ? list.messages_count ?? list.count : list.total;
  $('unread').textContent = list.unread;
  $('unread').hidden = !list.unread;
  document.title = `${list.unread ? `(${list.unread}) ` : ''}mailoop`;
  $('older').hidden = list.messages.length >= inbox.total;
  $('delete-all').disabled = !list.messages.length;
  arrange($('messages'), list.messages.map(messageRow));
  if (!list.messages.length) $('messages').append(el('li.empty', {}, fault || (query ? `Nothing matches “${query}”.` : 'No message yet.')));
  if (!inbox.first && fresh.length && !query) {
    $('news').textContent = fresh.length > 1 ? `${fresh.length} new messages` : `New message: ${fresh[0].Subject}`;
    for (const message of fresh) inbox.rows.get(message.ID).classList.add('new');
  }
  inbox.first = false;
  for (const id of inbox.rows.keys()) if (!list.messages.some(message => message.ID === id)) inbox.rows.delete(id);
  if (!inbox.open) showNoMessage();
}

function messageRow(message) {
  let row = inbox.rows.get(message.ID);
  if (!row) {
    const to = [...message.To || [], ...message.Cc || [], ...message.Bcc || []].map(one => one.Address);
    row = el('li', {}, el('a', { href: `#/message/${encodeURIComponent(message.ID)}` },
      el('span.from', {}, message.From?.Name || message.From?.Address || '<>'),
      el('time', { title: new Date(message.Created).toLocaleString() }, when(message.Created)),
      el('span.subject', {}, message.Subject || '(no subject)'),
      el('span.to', {}, to.length ? `to ${to[0]}${to.length > 1 ? ` and ${to.length - 1} more` : ''}` : ''),
      el('span.clip', {}, message.Attachments ? many(message.Attachments, 'file') : '')));
    row.dataset.id = message.ID;
    inbox.rows.set(message.ID, row);
  }
  row.classList.toggle('unread', !message.Read);
  row.firstChild.ariaCurrent = message.ID === inbox.open ? 'true' : null;
  return row;
}

function showNoMessage() {
  if ($('query').value.trim() || inbox.messages.length) {
    $('message').replaceChildren(el('p.hint', {}, inbox.messages.length ? 'Choose a message: j and k move, Enter opens, ? lists all keys.' : ''));
    return;
  }
  if ($('message').querySelector('.welcome')) return;
  const at = `${smtp.host}:${smtp.port}`;
  $('message').replaceChildren(el('div.welcome', {},
    el('h1', {}, 'Nothing has come yet'),
    el('p', {}, `Mail for any address is taken at ${at}, kept in memory, shown here at once, and never sent on.`),
    el('p', {}, 'Send some:'),
    toType(`swaks --server ${at} --to you@example.org`),
    el('p', {}, 'or with this program:'),
    toType(`echo Hello | mailoop send --server ${at} --from me@example.org --to you@example.org`),
    el('p', {}, 'or by hand, and ', el('a', { href: '#/loop' }, 'watch the loop'), ' while you type:'),
    toType(`nc -C ${smtp.host} ${smtp.port}`),
    el('p', {}, 'To see how your program takes a refusal, send to ', el('code', {}, 'bounce+450@example.org'), ' or set ', el('a', { href: '#/rules' }, 'a rule'), '.')));
}

const TABS = ['html', 'text', 'headers', 'source', 'transcript', 'files'];

async function openMessage(id, tab) {
  const before = inbox.open;
  inbox.open = id || '';
  for (const row of inbox.rows.values()) row.firstChild.ariaCurrent = row.dataset.id === id ? 'true' : null;
  if (!id) { inbox.message = null; showNoMessage(); if (before) inbox.rows.get(before)?.firstChild.focus(); return; }
  try {
    if (inbox.message?.ID !== id) inbox.message = await askJson(`/api/v1/message/${encodeURIComponent(id)}`);
  } catch (error) {
    inbox.message = null;
    $('message').replaceChildren(el('p.hint', {}, error.status === 404 ? 'This message is gone.' : error.message));
    return;
  }
  if (inbox.open !== id) return;
  if (before !== id || !$('body')) {
    showMessage(inbox.message);
    if (!$('messages').offsetParent) $('message').focus(); // On a phone the list is out of sight, and the focus with it.
    if (inbox.rows.get(id)?.classList.contains('unread')) loadMessages().catch(() => {});
  }
  showTab(inbox.message, TABS.includes(tab) ? tab : inbox.message.HTML ? 'html' : 'text').catch(error => $('body').replaceChildren(el('p.error', {}, error.message)));
}

function showMessage(message) {
  const base = pathOf(message);
  const files = filesOf(message).length;
  const named = new Set([...message.To || [], ...message.Cc || []].map(one => one.Address.toLowerCase()));
  const recipients = message.Envelope?.To ?? [...message.To || [], ...message.Cc || [], ...message.Bcc || []].map(one => one.Address);
  const sender = message.Envelope?.From ?? message.ReturnPath ?? '';
  const tab = (name, label) => { const link = el('a', { href: `#/message/${encodeURIComponent(message.ID)}/${name}` }, label); link.dataset.tab = name; return link; };
  const fact = (name, ...values) => [el('dt', {}, name), el('dd', {}, ...values)];
  $('message').replaceChildren(
    el('a.back', { href: '#/' }, '← Inbox'),
    el('div.head', {},
      el('h1', {}, message.Subject || '(no subject)'),
      el('div.row-of-buttons', {},
        el('a.button', { href: `${base}/raw`, download: `${message.ID}.eml` }, 'Download'),
        el('button', { type: 'button', title: 'Delete (d)', onclick: () => remove(message.ID) }, 'Delete'))),
    el('dl.facts', {},
      ...fact('From', mailbox(message.From)),
      ...fact('To', (message.To || []).map(mailbox).join(', ') || '(nobody named)'),
      ...(message.Cc?.length ? fact('Cc', message.Cc.map(mailbox).join(', ')) : []),
      ...fact('Date', new Date(message.Date || message.Created).toLocaleString()),
      ...fact('Envelope', `<${sender}> → `, ...recipients.map(address =>
        el('span.address', {}, address, named.has(address.toLowerCase()) ? null : el('b', { title: 'In the envelope, in no header field' }, 'Bcc')))),
      ...fact('Size', `${octets(message.Size)}, id ${message.ID}${message.Username ? `, login ${message.Username}` : ''}`)),
    el('div.tabs', { role: 'navigation', ariaLabel: 'Parts of the message' },
      message.HTML ? tab('html', 'HTML') : null, tab('text', 'Text'), tab('headers', 'Headers'), tab('source', 'Source'),
      tab('transcript', 'Transcript'), files ? tab('files', `Files (${files})`) : null),
    el('div.body', { id: 'body' }));
}

const pathOf = message => `/api/v1/message/${encodeURIComponent(message.ID)}`;
const filesOf = message => [...message.Attachments || [], ...message.Inline || []];

async function showTab(message, name) {
  const body = $('body'), base = pathOf(message);
  for (const link of document.querySelectorAll('.tabs a')) link.ariaCurrent = link.dataset.tab === name ? 'page' : null;
  const text = async path => (await ask(path)).text();
  switch (name) {
    case 'html': {
      // No script, no form, no navigation of this page, no origin: and the server's policy lets it load nothing.
      const frame = el('iframe', { title: 'The HTML of the message', src: `/view/${encodeURIComponent(message.ID)}.html`, referrerPolicy: 'no-referrer' });
      frame.setAttribute('sandbox', '');
      body.replaceChildren(frame, linksOf(message.HTML));
      return;
    }
    case 'headers': {
      const headers = await askJson(`${base}/headers`);
      const rows = Object.entries(headers).flatMap(([name, values]) => values.map(value => el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, value))));
      return body.replaceChildren(el('table.headers', {}, el('tbody', {}, ...rows)));
    }
    case 'source': return body.replaceChildren(el('pre', { tabIndex: 0 }, await text(`${base}/raw`)));
    case 'transcript': return body.replaceChildren(transcript(await text(`${base}/transcript`)));
    case 'files': return body.replaceChildren(el('ul.files', {}, ...filesOf(message).map(file =>
      el('li', {}, el('a', { href: `${base}/part/${encodeURIComponent(file.PartID)}`, download: file.FileName || `part-${file.PartID}` }, file.FileName || `part ${file.PartID}`),
        ` ${file.ContentType}, ${octets(file.Size)}`))));
    default: return body.replaceChildren(withLinks(message.Text || ''));
  }
}

/** A link that leads out, and tells nobody from where. Only http and https are links. */
const out = url => el('a', { href: url, target: '_blank', rel: 'noopener noreferrer nofollow' }, url);

/** Text, in which addresses of the web are links. */
function withLinks(text) {
  const parts = text.split(/(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]'])/);
  return el('pre', { tabIndex: 0 }, ...parts.map((part, i) => i % 2 ? out(part) : part));
}

/** The links of an HTML text, to be followed on purpose. They are looked for, not parsed: no parser can load what it finds. */
function linksOf(html) {
  const links = html.matchAll(/<a\s[^>]*?href\s*=\s*(["'])\s*(https?:\/\/.*?)\s*\1/gis);
  const urls = [...new Set(Array.from(links, link => link[2].replaceAll('&amp;', '&')))].slice(0, 100);
  return urls.length ? el('details.links', {}, el('summary', {}, many(urls.length, 'link')), el('ul', {}, ...urls.map(url => el('li', {}, out(url))))) : '';
}

/** A dialogue, each side in its colour. */
function transcript(text) {
  return el('pre.transcript', { tabIndex: 0 }, ...text.split('\n').map(line => {
    const side = { 'C: ': 'client', 'S: ': 'server' }[line.slice(0, 3)];
    return el(side ? `span.${side}` : 'span', {}, `${line}\n`);
  }));
}

async function remove(id) {
  const at = inbox.messages.findIndex(message => message.ID === id);
  const next = inbox.messages[at + 1] || inbox.messages[at - 1];
  const wasOpen = inbox.open === id;
  await ask('/api/v1/messages', { method: 'DELETE', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ IDs: [id] }) });
  await loadMessages();
  if (wasOpen) { if (next && $('messages').offsetParent) go('message', next.ID); else go(''); }
  if (next) inbox.rows.get(next.ID)?.firstChild.focus();
}

/** The first press asks, the second one, soon after, does it. */
function twice(button, question, action) {
  const label = button.textContent;
  let timer = 0;
  const calm = () => { timer = 0; button.textContent = label; button.classList.remove('danger'); };
  button.addEventListener('click', () => {
    if (timer) { clearTimeout(timer); calm(); action().catch(error => trouble(error.message)); return; }
    button.textContent = question();
    button.classList.add('danger');
    timer = setTimeout(calm, 4000);
  });
}

async function removeAll() {
  const query = $('query').value.trim();
  await ask(query ? `/api/v1/search?query=${encodeURIComponent(query)}` : '/api/v1/messages', { method: 'DELETE' });
  go('');
  await loadMessages();
}

/** Learns at once of what has changed: the request waits at the server, for as long as nothing has. */
async function watchInbox() {
  let seen = '';
  for (;;) {
    try {
      const { revision } = await askJson(`/api/v1/changes?since=${seen}&wait=25`);
      const began = performance.now();
      if (revision !== seen) {
        seen = revision;
        await loadMessages();
      }
      trouble('');
      await sleep(Math.max(100, 3 * (performance.now() - began))); // Where messages pour in, most of the server's time is theirs.
    } catch (error) {
      trouble(`The server does not answer (${error.message}). Trying again.`);
      seen = '';
      await sleep(1000);
    }
  }
}

/* ---- Sessions that stored nothing ---- */

async function loadSessions() {
  const { sessions } = await askJson('/api/v1/sessions');
  const rows = new Map(Array.from($('session-list').children, row => [row.id, row]));
  arrange($('session-list'), sessions.map(session => rows.get(`session-${session.conn}`) || el('li', { id: `session-${session.conn}` }, el('a', { href: `#/sessions/${session.conn}` },
    el('span.from', {}, session.peer), el('time', {}, when(session.ended)),
    el('span.subject', {}, session.last || `closed=${session.closed}`), el('span.to', {}, `session ${session.conn}, ${session.hello || 'no hello'}`)))));
  for (const link of $('session-list').querySelectorAll('a')) link.ariaCurrent = link.hash === location.hash ? 'true' : null;
  if (!sessions.length) $('session-list').append(el('li.empty', {}, 'None so far.'));
}

async function openSession(id) {
  if (!id) { $('session').replaceChildren(el('p.hint', {}, 'Choose a session to read its transcript.')); return; }
  try {
    const text = await (await ask(`/api/v1/session/${encodeURIComponent(id)}/transcript`)).text();
    $('session').replaceChildren(el('a.back', { href: '#/sessions' }, '← Sessions'), el('div.head', {}, el('h1', {}, `Session ${id}`)), el('div.body', {}, transcript(text)));
  } catch (error) {
    $('session').replaceChildren(el('p.hint', {}, error.status === 404 ? 'This session is forgotten.' : error.message));
  }
}

/* ---- Rules ---- */

const EXAMPLES = [
  ['rcpt *@busy.example = 450 4.2.1 busy', 'this recipient is refused for now'],
  ['rcpt * #1 by rcpt = 451 4.7.1 greylisted', 'the first try for each recipient fails, the next one passes'],
  ['connect 10/min = 421 4.7.0 too many', 'ten connections a minute, no more'],
  ['end * = delay 3s', 'the answer to a message takes three seconds'],
  ['data *@gone.example = close', 'the connection breaks off without a word'],
  ['mail #3+ = 452 4.3.1 full', 'from the third message on there is no room'],
  ['auth ada = 535 5.7.8 wrong', 'this user may not log in'],
  ['end *@void.example = drop', 'answered as usual, then thrown away'],
];
let rulesChanged = false;

function ruleRow({ rule, hits }) {
  const input = el('input.mono', { value: rule, spellcheck: false, autocomplete: 'off', ariaLabel: 'Rule', oninput: () => changeRules(true) });
  return el('li', {}, input, el('span.hits', { title: 'How often it decided' }, hits === undefined ? 'new' : many(hits, 'hit')),
    el('button.quiet', { type: 'button', ariaLabel: 'Take this rule out', onclick: event => { event.target.closest('li').remove(); changeRules(true); } }, '×'));
}

function changeRules(changed) {
  rulesChanged = changed;
  $('rule-save').disabled = !changed;
  $('rule-error').hidden = true;
}

async function loadRules() {
  const { rules } = await askJson('/api/v1/rules');
  const inputs = [...$('rule-list').querySelectorAll('input')];
  if (rulesChanged) return;
  if (inputs.length && rules.length === inputs.length && rules.every((rule, i) => rule.rule === inputs[i].value)) {
    rules.forEach((rule, i) => { inputs[i].nextSibling.textContent = many(rule.hits, 'hit'); });
    return;
  }
  $('rule-list').replaceChildren(...rules.map(ruleRow));
  if (!rules.length) $('rule-list').append(el('li.empty', {}, 'No rule: everything is accepted.'));
}

function addRule(text) {
  $('rule-list').querySelector('.empty')?.remove();
  const row = ruleRow({ rule: text });
  $('rule-list').append(row);
  row.firstChild.focus();
  changeRules(true);
}

async function saveRules(event) {
  event.preventDefault();
  const texts = [...$('rule-list').querySelectorAll('input')].map(input => input.value.trim()).filter(Boolean);
  try {
    await ask('/api/v1/rules', texts.length ? { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(texts) } : { method: 'DELETE' });
    changeRules(false);
    $('rule-list').replaceChildren();
    await loadRules();
    $('rule-note').textContent = 'Applied.';
  } catch (error) {
    $('rule-error').textContent = error.message;
    $('rule-error').hidden = false;
  }
}

/* ---- The loop: its events, as they come or slower ---- */

const STEPS = ['poll', 'serve', 'commit', 'expire', 'accept'];
const PHASES = ['greeting', 'hello', 'mail', 'rcpt', 'data', 'commit', 'quit'];
const STATES = { // The phase of each state of a session, and what it awaits.
  AwaitingProxyHeader: ['greeting', 'a proxy has to name the client'], BeforeTls: ['greeting', 'the client has to begin with TLS'],
  Greeting: ['greeting', 'the client should be silent until it is greeted'], Refused: ['greeting', 'the client is not let in'],
  AwaitingHello: ['hello', 'HELO or EHLO is awaited'], Authenticating: ['hello', 'a login is under way'], Tarpit: ['hello', 'a refused login is told of late'],
  AwaitingMail: ['mail', 'MAIL FROM is awaited'], AwaitingRcpt: ['rcpt', 'RCPT TO is awaited, or DATA once there is a recipient'],
  ReceivingData: ['data', 'the text is awaited, up to a line with a dot'], DiscardingData: ['data', 'the rest of a refused text is awaited'],
  ReceivingChunk: ['data', 'more octets of a chunk are awaited'], BetweenChunks: ['data', 'the next chunk is awaited'],
  DiscardingChunk: ['data', 'the rest of a refused chunk is awaited'], EndingMessage: ['data', 'the message is whole'],
  AwaitingCommit: ['commit', 'the store has to say that the message is safe'], Closing: ['quit', 'the last reply is on its way'],
};
const WAITS = {
  client: ['the client', 'A connection that waits costs a slot and a few octets, and no time: the loop does not look at it before the poll says so.'],
  output: ['room to write', 'The client reads slowly. Until it has read, it is not read from either: that is backpressure, and it bounds the memory.'],
  turn: ['its next turn', 'It has had its share of this tick. The rest comes after the others had theirs, so that nobody starves.'],
  cpu: ['its share of work', 'Costly work, as that for a password, is cut into pieces. One client cannot hold up the others with it.'],
  room: ['room in the store', 'The store has much to do. Who brings more waits, instead of filling the memory.'],
  store: ['the store', 'The “250” is held back until the message is safe. Other connections go on meanwhile: the loop never waits for a disk.'],
  timer: ['a point in time', 'A delay is a deadline, not a sleep: the loop goes on and wakes when it is due.'],
};
const PACES = { live: [90, 20], slow: [1300, 250], slower: [4000, 500] }; // Milliseconds for an event, and for a step without one.
const QUEUE_MAX = 5000, HISTORY_MAX = 200, CARDS_MAX = 12, CLOSED_MAX = 3, CROWD_MAX = 1000;

const loop = { source: null, queue: [], connections: new Map(), dirty: new Set(), served: new Set(), pace: 'live', paused: false, playing: false, timer: 0, turns: 0, began: 0, full: false };

/** What happened at one moment: the code for it, what it was, and why. */
function told({ ev: [kind, id, a, b, last], tick }) {
  const who = `Connection ${id}`;
  switch (kind) {
    case 'hello': return ['', `The server has been up for ${span(id.uptime_us)}; ${many(id.connections.length, 'connection')} ${id.connections.length === 1 ? 'is' : 'are'} open.`, 'From here on each tick of the loop is shown. One thread does all that you see.'];
    case 'lost': return ['', `${many(id, 'tick')} passed unseen.`, 'This page was too slow. The loop waits for nobody, least of all for who only watches.'];
    case 'poll': return [`poll() → ${tick.polled}`, tick.polled ? `The loop slept ${span(tick.slept)}; ${many(tick.polled, 'event')} woke it.` : `The loop looked up after ${span(tick.slept)}: work was left, or a deadline is due.`, 'One call waits for all sockets together. That is why one thread is enough for all of them.'];
    case 'ready': return [`${id}: ${a === 'both' ? 'readable, writable' : a}`, a === 'writable' ? `The socket of connection ${id} takes output.` : `The socket of connection ${id} became readable.`, a === 'writable' ? 'This is an edge, told once: the loop remembers it until a write says WouldBlock.' : 'epoll tells of such an edge only once. So the loop reads until nothing is left; else it would never hear of the rest.'];
    case 'read': return a > 0 ? [`read(${id}) → ${a}`, `${many(a, 'octet')} came from connection ${id} into its buffer.`, 'TCP knows no lines. A command may come in pieces, or several at once; only whole lines are taken out.']
      : a < -1 ? [`read(${id}) failed`, `The socket of connection ${id} is broken.`, 'The other end has reset it, or the network has. The connection ends.']
        : a < 0 ? [`read(${id}) → WouldBlock`, `Nothing more to read from connection ${id}.`, 'A blocking server would stand still here. This one turns to the next connection until the poll tells of new octets.']
        : [`read(${id}) → 0`, `${who} has closed its side.`, 'It may still read. What came before is answered, then the connection ends.'];
    case 'took': return a === 'command' ? [`${id}: C: ${last}`, `A whole line of connection ${id}: “${last}”.`, 'It drives the state machine: one match of state and command decides what to answer.']
      : a === 'text' ? [`${id}: text, ${b}`, `${many(b, 'octet')} of message text were taken.`, 'They go on to the store as they come. No message stands whole in a buffer of the connection.']
        : a === 'credentials' ? [`${id}: C: (secret)`, `${who} shows who it is.`, 'Secrets are neither shown nor kept.']
          : [`${id}: dropped ${b}`, `${many(b, 'octet')} were thrown away.`, 'The line is too long, or what it belongs to was refused. The session goes on.'];
    case 'said': return [`${id}: S: ${b}`, `The session answers connection ${id}: “${b}”.`, /^250.*queued/.test(b) ? 'Only now, with the message in the store, may the sender forget it.' : 'The answer is put behind what is still unsent. Answers to several commands leave in one write.'];
    case 'write': return a < 0 ? [`write(${id}) → WouldBlock`, `${who} takes no more output now.`, 'The rest stays in a bounded buffer. Only now does the loop wait to hear that the socket is writable.'] : [`write(${id}) → ${a}`, `${many(a, 'octet')} went out to connection ${id}.`, 'The loop simply tries to write. It asks the poll only after a WouldBlock.'];
    case 'state': return [`${id}: ${a}`, `${who} is now in ${a}: ${(STATES[a] || ['', 'it goes on'])[1]}.`, 'A state names what is awaited next, and owns what exists only then.'];
    case 'waits': return [`${id}: waits for ${a}`, `${who} waits for ${(WAITS[a] || [a])[0]}.`, (WAITS[a] || ['', ''])[1]];
    case 'life': return [`${id}: ${a}`, { Handshaking: `${who} agrees on TLS.`, Closing: `${who} is about to end: its last output is written.`, Lingering: `${who} lingers.` }[a] || `${who} is ${a.toLowerCase()}.`, { Lingering: 'A socket that is closed with unread input resets the connection, and the client could lose the last reply. So the peer gets a second to close first.' }[a] || 'Every connection has this life: open, closing, lingering, closed.'];
    case 'accepted': return [`accept() → ${id}`, `A client has come from ${a}: connection ${id}.`, 'Its socket is registered with epoll once, for all its life. Accepting comes last in a tick, so that a slot freed in it is not used again within it.'];
    case 'refused': return [`${id}: refused`, `A client from ${a} was not let in: ${b}.`, 'A bound that holds is better than a server that falls over.'];
    case 'closed': return [`close(${id})`, `${who} is over: ${a}.`, 'Its slot in the slab is free again, after this batch of events.'];
    case 'step': return { commit: ['commit', 'Nothing to commit in this tick.', 'Messages that were finished in a tick are made durable together, once; then each gets its “250”.'], expire: ['expire', 'No deadline is due.', 'Every wait has an end. Timeouts are looked at here, once a tick.'], accept: ['accept', 'Nobody new.', ''], serve: ['serve', 'No connection to serve.', ''] }[id];
    case 'end': return ['', `Tick ${tick.n} is done, in ${span(tick.took)}.`, 'poll, serve, commit, expire, accept: that is the whole program. It starts over.'];
    default: return [kind, '', ''];
  }
}

/** The events of a tick as moments, each in its step; a step without any has a short one. */
function moments(tick) {
  const list = [{ tick, step: 'poll', ev: ['poll'] }];
  let at = 0;
  const advance = to => { while (at < to) { at += 1; if (at < to) list.push({ tick, step: STEPS[at], ev: ['step', STEPS[at]] }); } };
  tick.seen.forEach((ev, i) => {
    advance(tick.steps.filter(([, , from]) => from <= i).length);
    list.push({ tick, step: STEPS[at], ev });
  });
  advance(STEPS.length);
  list.push({ tick, step: 'accept', ev: ['end'] });
  return list;
}

const still = matchMedia('(prefers-reduced-motion: reduce)');
const fresh = c => ({ state: 'Greeting', waits: '', read: 0, written: 0, unsent: 0, client: '', server: '', readable: false, writable: true, ...c });

/** Brings what is known of the connections up to this moment. */
function apply({ ev: [kind, id, a, b, last] }) {
  if (kind === 'hello') {
    const before = loop.connections;
    loop.connections = new Map(id.connections.map(c => [c.id, fresh({ ...before.get(c.id), ...c })]));
    loop.dirty = new Set(loop.connections.keys());
    for (const c of before.values()) if (!loop.connections.has(c.id)) c.square?.remove();
  }
  if (kind === 'poll') loop.began = performance.now();
  if (kind === 'end') { // Whoever was served waits again.
    for (const c of loop.served) {
      c.served = false;
      if (c.waits === 'client') c.readable = false;
      loop.dirty.add(c.id);
    }
    loop.served.clear();
  }
  if (kind === 'accepted') loop.connections.set(id, fresh({ id, peer: a, service: b }));
  const c = loop.connections.get(id);
  if (!c) return;
  loop.dirty.add(id);
  loop.served.add(c);
  c.served = kind !== 'waits';
  switch (kind) {
    case 'ready': if (a !== 'writable') c.readable = true; if (a !== 'readable') c.writable = true; break;
    case 'read': c.flash = a > 0 && 'in'; if (a > 0) c.read += a; else c.readable = false; break;
    case 'write': c.flash = a > 0 && 'out'; if (a < 0) c.writable = false; else { c.written += a; c.unsent = Math.max(0, c.unsent - a); } break;
    case 'took': c.client = a === 'command' ? `C: ${last}` : a === 'text' ? `${many(b, 'octet')} of text` : a === 'credentials' ? 'C: (secret)' : 'thrown away'; break;
    case 'said': c.server = `S: ${b}`; c.unsent += a; break;
    case 'state': c.state = a; break;
    case 'waits': c.waits = a; break;
    case 'life': c.life = a; if (a !== 'Open' && a !== 'Handshaking') c.state = 'Closing'; break;
    case 'closed': c.closed = a; c.waits = ''; c.read = b; c.written = last; c.readable = c.writable = false; break;
  }
}

/** Shows a moment: the step that is lit, and the caption. */
function show(moment) {
  const [code, what, why] = told(moment);
  const wheel = $('wheel');
  if (moment.step) light(moment.step);
  if (moment.ev[0] === 'hello') wheel.querySelector('.open').textContent = `${moment.ev[1].connections.length + moment.ev[1].more} open`;
  if (moment.tick) {
    wheel.querySelector('.n').textContent = `tick ${moment.tick.n.toLocaleString('en')}`;
    wheel.querySelector('.us').textContent = span(moment.tick.took);
    wheel.querySelector('.open').textContent = `${moment.tick.open} open`;
  }
  caption(moment.step, code, what, why);
}

/** Lights a step, and turns the hand on to it. */
function light(step) {
  loop.turns += (STEPS.indexOf(step) - loop.turns % 5 + 5) % 5;
  $('wheel').querySelector('.hand').style.transform = `rotate(${loop.turns * 72}deg)`;
  for (const part of document.querySelectorAll('#loop .machine [data-step]')) part.classList.toggle('lit', part.dataset.step === step);
  $('wheel').classList.remove('asleep');
}

function caption(step, code, what, why) {
  $('caption').dataset.step = step || '';
  $('caption').replaceChildren(el('p', {}, el('span.step', {}, step || 'mailoop'), el('code', {}, code)), el('h2', {}, what), el('p.why', {}, why));
}

function note(moment) {
  const [code] = told(moment);
  if (!code || moment.ev[0] === 'step') return;
  const row = el('li', {}, el('button', { type: 'button', onclick: () => { setPaused(true); caption(moment.step, ...told(moment)); } }, code));
  row.dataset.step = moment.step;
  $('history').prepend(row);
  while ($('history').childElementCount > HISTORY_MAX) $('history').lastChild.remove();
}

/** Plays the next moment, and sees to the one after it. Where too many wait, several pass at once. */
function play() {
  clearTimeout(loop.timer);
  loop.playing = false;
  showBacklog();
  if (loop.paused || view !== 'loop') return;
  if (!loop.queue.length) {
    if (loop.full) { loop.full = false; watchLoop(); }
    loop.timer = setTimeout(asleep, 700);
    return;
  }
  const live = loop.pace === 'live';
  const moment = pass(live && loop.queue.length > 80 ? Math.ceil(loop.queue.length / 10) : 1);
  const [whole, short] = PACES[loop.pace];
  const delay = moment.ev[0] === 'step' ? short : whole;
  loop.playing = true;
  loop.timer = setTimeout(play, live ? Math.max(16, Math.min(delay, 1500 / (loop.queue.length + 1))) : delay);
}

/** Lets so many moments pass, and shows the last of them. */
function pass(n) {
  let moment;
  for (const passed of loop.queue.splice(0, n)) {
    moment = passed;
    apply(moment);
    tourSees(moment);
    if (n-- <= HISTORY_MAX) note(moment);
  }
  show(moment);
  showConnections();
  for (const card of $('connections').children) card.dataset.step = card === loop.connections.get(moment.ev[1])?.card ? moment.step : '';
  if (moment.ev[0] === 'end') {
    const times = (performance.now() - loop.began) * 1000 / Math.max(1, moment.tick.took);
    $('pace-note').textContent = times > 2 ? `Shown ${Number(times.toPrecision(2)).toLocaleString('en')} times slower than it was.` : '';
  }
  return moment;
}

function asleep() {
  if (loop.paused || loop.queue.length) return;
  light('poll');
  $('wheel').classList.add('asleep');
  $('wheel').querySelector('.us').textContent = 'asleep';
  caption('poll', 'poll(…)', 'The loop sleeps.', 'It waits for all sockets at once, until one has news or the next deadline is due. It takes no processor time, however many clients are connected.');
}

function showBacklog() {
  const n = loop.queue.length;
  $('pause').textContent = loop.paused ? 'Go on' : 'Pause';
  $('pause').ariaPressed = `${loop.paused}`;
  $('next').disabled = $('next-tick').disabled = !loop.paused;
  $('caption').ariaLive = loop.paused || loop.pace !== 'live' ? 'polite' : 'off';
  if (loop.paused || n > 30) $('pace-note').textContent = `${many(n, 'event')} ${n === 1 ? 'waits' : 'wait'} to be shown.${loop.full ? ' What came after was not kept.' : ''}`;
}

function setPaused(paused) {
  loop.paused = paused;
  if (!paused) $('pace-note').textContent = '';
  play();
}

/** One event further, or one tick; this stops what plays by itself. */
function stepOn(isLast) {
  if (!loop.paused) setPaused(true);
  if (!loop.queue.length) {
    if (loop.full) { loop.full = false; watchLoop(); }
    caption('poll', '', 'Nothing has happened since.', 'Send something, and step through it.');
    return;
  }
  const at = loop.queue.findIndex(isLast);
  pass(at < 0 ? loop.queue.length : at + 1);
  showBacklog();
}
const nextEvent = () => stepOn(moment => moment.ev[0] !== 'step');
const nextTick = () => stepOn(moment => moment.ev[0] === 'end');

/* ---- The loop: connections ---- */

function makeCard(c) {
  const cell = name => el(`span.${name}`);
  const lane = (name, title) => el(`div.lane.${name}`, {}, el('span.lamp', { title }), cell('line'), cell('sum'));
  c.card = el('li.card', {}, el('div.who', {}, el('b', {}, `#${c.id}`), ` ${c.peer} `, el('span.service', {}, c.service), cell('waits')),
    el('ol.track', {}, ...PHASES.map(phase => el('li', {}, phase))), lane('in', 'Readable'), lane('out', 'Writable'));
  return c.card;
}

function showCard(c) {
  const card = c.card || makeCard(c);
  const phase = PHASES.indexOf((STATES[c.state] || ['greeting'])[0]);
  const put = (selector, text) => { const cell = card.querySelector(selector); if (cell.textContent !== text) cell.textContent = text; return cell; };
  card.classList.toggle('over', !!c.closed);
  put('.waits', c.closed ? `closed: ${c.closed}` : c.waits && !c.served ? `waits for ${(WAITS[c.waits] || [c.waits])[0]}` : 'is served').dataset.waits = c.closed ? 'closed' : c.served ? 'turn' : c.waits;
  [...card.querySelector('.track').children].forEach((li, i) => { li.className = i < phase ? 'past' : i === phase ? 'now' : ''; li.ariaCurrent = i === phase ? 'step' : null; });
  put('.in .line', c.client);
  put('.in .sum', `${octets(c.read)} in`);
  put('.out .line', c.server);
  put('.out .sum', `${octets(c.written)} out${c.unsent ? `, ${c.unsent} unsent` : ''}`);
  if (c.flash && !still.matches) card.querySelector(`.${c.flash}`).animate([{ background: 'var(--wash)' }, {}], 700);
  c.flash = '';
  card.querySelector('.in .lamp').classList.toggle('on', c.readable);
  card.querySelector('.out .lamp').classList.toggle('on', c.writable);
  return card;
}

/** Draws what has changed: a card for each connection; where there are many, a square for each of them and some cards. */
function showConnections() {
  const closed = [...loop.connections.values()].filter(c => c.closed);
  for (const c of closed.slice(0, -CLOSED_MAX)) { loop.connections.delete(c.id); c.square?.remove(); }
  const all = [...loop.connections.values()], open = all.filter(c => !c.closed);
  const shown = [...open.slice(0, CARDS_MAX), ...closed.slice(-CLOSED_MAX).reverse()];
  arrange($('connections'), shown.map(c => !c.card || loop.dirty.has(c.id) ? showCard(c) : c.card));
  const crowded = open.length > CARDS_MAX;
  $('crowd').hidden = !crowded;
  if (crowded) {
    for (const c of open.slice(0, CROWD_MAX)) {
      c.square ||= el('i');
      c.square.dataset.phase = (STATES[c.state] || ['greeting'])[0];
      if (!c.square.parentNode) $('crowd').append(c.square);
    }
    $('crowd').ariaLabel = $('crowd').title = `${many(open.length, 'connection')}, a square each, coloured by phase`;
  }
  if (!crowded) $('crowd').replaceChildren();
  loop.dirty.clear();
}

/* ---- The loop: what the server tells ---- */

function watchLoop() {
  if (loop.source) { play(); return; }
  const source = loop.source = new EventSource('/api/loop');
  const on = (name, take) => source.addEventListener(name, event => take(JSON.parse(event.data)));
  on('hello', hello => {
    if (loop.pace === 'live' && !loop.paused) { loop.queue.length = 0; $('pace-note').textContent = ''; }
    if (tourAt < 0 && !hello.connections.length && !store.get('toured')) startTour();
    enqueue([{ step: '', ev: ['hello', hello] }]);
  });
  on('tick', tick => enqueue(moments(tick)));
  on('lost', ({ ticks }) => enqueue([{ step: '', ev: ['lost', ticks] }]));
  source.onopen = () => trouble('');
  source.onerror = () => {
    trouble('The server does not tell of its loop. Trying again.');
    if (source.readyState === EventSource.CLOSED && loop.source === source) { loop.source = null; setTimeout(() => view === 'loop' && watchLoop(), 2000); }
  };
}

function leaveLoop() {
  loop.source?.close();
  loop.source = null;
  loop.queue.length = 0;
  loop.full = false;
  clearTimeout(loop.timer);
  loop.playing = false;
}

/** Takes moments in. Whoever watches slowly or has stopped gets so many and no more; after them the loop is shown as it is then. */
function enqueue(list) {
  loop.queue.push(...list);
  if (loop.queue.length > QUEUE_MAX && (loop.paused || loop.pace !== 'live')) {
    loop.full = true;
    loop.source.close();
    loop.source = null;
  }
  if (!loop.playing) play();
}

/* ---- The loop: the first guided minute ---- */

const connectLine = () => `nc -C ${smtp.host} ${smtp.port}`;
const TOUR = [
  { line: connectLine, text: 'The loop sleeps in its poll: nothing to do, no processor time. Wake it. In a terminal, type:', until: ([kind]) => kind === 'accepted' },
  { line: () => 'HELO me', text: 'Your connection is there: the loop accepted it, listened once for whoever talks too early, and greeted with 220. Now say who you are:', until: ([kind, , a]) => kind === 'state' && a === 'AwaitingMail' },
  { line: () => 'MAIL FROM:<me@example.org>', text: 'Your line woke the poll; it was read until WouldBlock, taken whole, answered. The phase went on to “mail”. Next:', until: ([kind, , a]) => kind === 'state' && a === 'AwaitingRcpt' },
  { line: () => 'RCPT TO:<you@example.org>', text: 'A transaction has begun. Who is to get it?', until: ([kind, , a, , text]) => kind === 'took' && a === 'command' && /^rcpt/i.test(text) },
  { line: () => 'DATA', text: 'Try “Slow” on the left, to see each read and write. Then begin the text:', until: ([kind, , a]) => kind === 'state' && a === 'ReceivingData' },
  { line: () => '.', text: 'Type “Subject: hello”, an empty line, a word or two; then a line with only a dot:', until: ([kind, , , b]) => kind === 'said' && /queued/.test(b) },
  { line: () => 'QUIT', text: '“250” came after the commit: only when the store has the message. Take leave:', until: ([kind]) => kind === 'closed' },
];
let tourAt = -1;

function startTour() { tourAt = 0; showTour(); }
function endTour() { tourAt = -1; store.set('toured', 'yes'); $('tour').hidden = true; }

function showTour() {
  const step = TOUR[tourAt];
  $('tour').hidden = false;
  $('tour').replaceChildren(
    el('p', {}, el('b', {}, step ? `${tourAt + 1}/${TOUR.length} ` : 'Done. '), step ? step.text : 'You have seen a whole session. Press “Slow” and do it again; or open two terminals and let one of them wait in the middle of a line: the other is served all the same.'),
    el('button.quiet', { type: 'button', onclick: endTour }, step ? 'Skip' : 'Close'),
    step ? toType(step.line()) : '');
}

function tourSees({ ev }) {
  if (tourAt >= 0 && TOUR[tourAt]?.until(ev)) { tourAt += 1; showTour(); if (!TOUR[tourAt]) store.set('toured', 'yes'); }
}

/** Draws the wheel: a ring of five steps, each with its name along it, and a hand. */
function drawWheel() {
  const svg = (tag, attributes, text) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) element.textContent = text;
    $('wheel').append(element);
    return element;
  };
  const point = (angle, r) => `${(130 + r * Math.sin(angle * Math.PI / 180)).toFixed(2)} ${(130 - r * Math.cos(angle * Math.PI / 180)).toFixed(2)}`;
  STEPS.forEach((step, i) => {
    const [from, to] = [i * 72 - 34, i * 72 + 34];
    svg('path', { class: 'arc', 'data-step': step, d: `M${point(from, 104)}A104 104 0 0 1 ${point(to, 104)}` });
    const below = i === 2 || i === 3; // There the name would stand on its head.
    svg('path', { id: `along-${step}`, class: 'along', d: below ? `M${point(to, 108.5)}A108.5 108.5 0 0 0 ${point(from, 108.5)}` : `M${point(from, 99.5)}A99.5 99.5 0 0 1 ${point(to, 99.5)}` });
    const name = svg('text', { class: 'name', 'data-step': step });
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'textPath');
    path.setAttribute('href', `#along-${step}`);
    path.setAttribute('startOffset', '50%');
    path.textContent = step;
    name.append(path);
  });
  svg('path', { class: 'hand', d: 'M130 50l-7 12h14z' });
  svg('text', { class: 'n', x: 130, y: 122 }, 'tick');
  svg('text', { class: 'us', x: 130, y: 146 }, '');
  svg('text', { class: 'open', x: 130, y: 168 }, '');
}

/* ---- Keys ---- */

const KEYS = [
  ['j k', 'next, previous', ''], ['Enter', 'open', ''], ['/', 'search', ''], ['d', 'delete the message', ''], ['u', 'back to the list', ''],
  ['h t s', 'HTML, text, source', ''], ['p', 'transcript', ''], ['1 2 3 4', 'inbox, sessions, rules, the loop', ''],
  ['Space', 'the loop: pause, go on', 'loop'], ['n', 'the loop: next event', 'loop'], ['.', 'the loop: next tick', 'loop'], ['?', 'this list', ''],
];

function move(by) {
  const rows = [...document.querySelectorAll(`#${view} .list li a`)];
  if (!rows.length) return;
  const focused = rows.indexOf(document.activeElement), current = rows.findIndex(row => row.ariaCurrent);
  const at = focused >= 0 ? focused : current;
  const row = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  row.focus();
  row.scrollIntoView({ block: 'nearest' });
  if (document.body.classList.contains('reading')) row.click();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $('help').open) return;
  const typing = event.target.matches('input:not([type=radio]), textarea');
  if (typing) { if (event.key === 'Escape') event.target.blur(); return; }
  const onButton = event.target.matches('button, summary, input');
  const focused = document.activeElement?.closest('#messages li')?.dataset.id;
  const reading = inbox.open || focused;
  const tab = { h: 'html', t: 'text', s: 'source', p: 'transcript' }[event.key];
  const inInbox = view === 'inbox', inLoop = view === 'loop';
  if (event.key === '?') $('help').showModal();
  else if (/^[1-4]$/.test(event.key) && !loopAlone) go(['', 'sessions', 'rules', 'loop'][event.key - 1]);
  else if (inLoop && event.key === ' ' && !onButton) setPaused(!loop.paused);
  else if (inLoop && event.key === 'n') nextEvent();
  else if (inLoop && event.key === '.') nextTick();
  else if (!inLoop && (event.key === 'j' || (event.key === 'ArrowDown' && focused))) move(1);
  else if (!inLoop && (event.key === 'k' || (event.key === 'ArrowUp' && focused))) move(-1);
  else if (inInbox && event.key === '/') $('query').focus();
  else if (inInbox && event.key === 'd' && reading) remove(focused || reading).catch(error => trouble(error.message));
  else if (inInbox && tab && inbox.open) go('message', inbox.open, tab);
  else if (event.key === 'u' || event.key === 'Escape') go(view === 'inbox' ? '' : view);
  else return;
  event.preventDefault();
}

/* ---- Start ---- */

async function start() {
  drawWheel();
  for (const [keys, what] of KEYS) $('key-list').append(el('dt', {}, ...keys.split(' ').map(key => el('kbd', {}, key))), el('dd', {}, what));
  for (const [rule, what] of EXAMPLES) $('rule-examples').append(el('li', {}, el('button.quiet.mono', { type: 'button', onclick: () => addRule(rule) }, rule), el('span.note', {}, what)));
  let typed = 0;
  $('query').addEventListener('input', () => { clearTimeout(typed); typed = setTimeout(() => loadMessages().catch(error => trouble(error.message)), 150); });
  $('find').addEventListener('submit', event => { event.preventDefault(); move(0); });
  $('older').addEventListener('click', () => { inbox.shown += PAGE; loadMessages(); });
  twice($('delete-all'), () => $('query').value.trim() ? `Delete these ${inbox.total}?` : `Delete all ${inbox.total}?`, removeAll);
  $('rule-add').addEventListener('click', () => addRule(''));
  $('rule-form').addEventListener('submit', saveRules);
  $('keys').addEventListener('click', () => $('help').showModal());
  $('pause').addEventListener('click', () => setPaused(!loop.paused));
  $('next').addEventListener('click', nextEvent);
  $('next-tick').addEventListener('click', nextTick);
  $('pace').addEventListener('change', event => { loop.pace = event.target.value; if (loop.paused) setPaused(false); else showBacklog(); });
  document.addEventListener('keydown', pressed);
  addEventListener('hashchange', route);
  try {
    const { listening } = await askJson('/api/server');
    const [, host, port] = /^smtp (.*):(\d+)$/.exec(listening.find(line => line.startsWith('smtp '))) || [];
    if (port) smtp = { host: /^(0\.0\.0\.0|\[::\])$/.test(host) ? location.hostname : host, port };
    $('where').textContent = port ? `smtp ${smtp.host}:${smtp.port}` : listening[0];
  } catch (error) { trouble(error.message); }
  route();
  if (loopAlone) return;
  watchInbox();
  // What is refused changes no inbox: these are asked for as long as somebody looks.
  setInterval(() => {
    if (document.hidden) return;
    if (view === 'sessions') loadSessions().catch(() => {});
    if (view === 'rules') loadRules().catch(() => {});
  }, 1000);
}

start();
