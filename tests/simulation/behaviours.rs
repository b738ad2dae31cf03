//! Who the clients are. To add one: a function that writes its script, and a line in the table.

use mailoop::smtp::reply;

use super::dialogue::{Dialogue, Step};
use super::store::Fate;
use super::tls::Opening;

/// A kind of client: its name, how often it occurs among the others, and who writes its script.
pub type Behaviour = (&'static str, usize, fn(&mut Dialogue));

pub const BEHAVIOURS: &[Behaviour] = &[
    ("lockstep", 9, lockstep),
    ("pipelining", 12, pipelining),
    ("bulk", 3, bulk),
    ("half-closing", 3, half_closing),
    ("probe", 1, probe),
    ("falling silent", 4, falling_silent),
    ("trickling a command", 2, trickling_command),
    ("trickling a message", 3, trickling_message),
    ("trickling a chunk", 2, trickling_chunk),
    ("never reading", 3, never_reading),
    ("not reading its good-bye", 2, not_reading_goodbye),
    ("endless line", 1, endless_line),
    ("garbage", 2, garbage),
    ("breaking off", 5, breaking_off),
    ("early talker", 2, early_talker),
    ("error storm", 2, error_storm),
    ("browser", 1, browser),
    ("flooding behind its end", 4, flooding),
    ("talking behind DATA", 2, behind_data),
    ("never done with its handshake", 2, never_secured),
];

/// Those that send much.
pub const BULKY: &[&str] = &["bulk", "never reading", "flooding behind its end"];

fn session(dialogue: &mut Dialogue) -> bool {
    dialogue.hello();
    for _ in 0..dialogue.rng.size(4) {
        if dialogue.rng.one_in(6) {
            dialogue.speak_for_another();
            dialogue.hello();
        }
        while dialogue.rng.one_in(4) {
            if !dialogue.aside() {
                return false;
            }
        }
        let lines = dialogue.rng.size(60) - 1;
        let (wire, text) = dialogue.message(lines);
        if !dialogue.transaction(&wire, &text) {
            return false;
        }
    }
    true
}

fn lockstep(dialogue: &mut Dialogue) {
    session(dialogue);
    dialogue.quit();
}

fn pipelining(dialogue: &mut Dialogue) {
    dialogue.lockstep = false;
    lockstep(dialogue);
}

/// Messages that take more than a turn to read.
fn bulk(dialogue: &mut Dialogue) {
    dialogue.script.bulky = true;
    dialogue.script.pace = 1 << 20;
    dialogue.lockstep = dialogue.rng.one_in(2);
    dialogue.hello();
    let lines = dialogue.rng.between(4000, 16_000);
    let text = b"Subject: a line as there are many\r\n".repeat(lines);
    dialogue.transaction(&text, &text);
    dialogue.quit();
}

/// Closes its side behind its last command, and reads on.
fn half_closing(dialogue: &mut Dialogue) {
    dialogue.lockstep = dialogue.rng.one_in(2);
    session(dialogue);
    dialogue.then(Step::Close);
    dialogue.listen();
    dialogue.then(Step::AwaitClose);
}

/// Closes its side from the start.
fn probe(dialogue: &mut Dialogue) {
    // It hears the greeting, and says nothing.
    dialogue.script.steps.truncate(1);
    dialogue.script.replies.truncate(1);
    dialogue.script.steps.push_front(Step::Close);
    dialogue.then(Step::AwaitClose);
}

/// Cuts the script anywhere, also within a line.
fn cut(dialogue: &mut Dialogue) {
    dialogue.flush();
    let keep = dialogue.rng.below(dialogue.script.steps.len()) + 1;
    dialogue.script.steps.truncate(keep);
    if let Some(Step::Send(bytes)) = dialogue.script.steps.back_mut() {
        let keep = dialogue.rng.below(bytes.len() + 1);
        bytes.truncate(keep);
    }
}

fn falling_silent(dialogue: &mut Dialogue) {
    dialogue.lockstep = dialogue.rng.one_in(2);
    session(dialogue);
    cut(dialogue);
    dialogue.script.closes = dialogue.rng.one_in(2);
}

fn breaking_off(dialogue: &mut Dialogue) {
    dialogue.lockstep = dialogue.rng.one_in(2);
    session(dialogue);
    cut(dialogue);
    let step = match dialogue.rng.below(3) {
        0 => Step::Abandon,
        1 => Step::Close,
        _ => Step::Reset,
    };
    dialogue.then(step);
}

/// A command that does not come to its end, byte by byte.
fn trickling_command(dialogue: &mut Dialogue) {
    dialogue.hello();
    dialogue.script.pace = 1;
    dialogue.send(&b"NOOP ".repeat(100));
    dialogue.flush();
}

/// A message that does not come to its end, a few bytes at a time, and may be too large before that.
fn trickling_message(dialogue: &mut Dialogue) {
    dialogue.hello();
    dialogue.script.pace = dialogue.rng.pick(&[1, 10]);
    let path = dialogue.plan(None, Fate::Stored);
    let goes_on = dialogue.mail(&path) && dialogue.rcpt();
    if goes_on
        && dialogue
            .script
            .replies
            .last()
            .is_some_and(|reply| reply.text.starts_with("250"))
    {
        dialogue.send(b"DATA\r\n");
        dialogue.hear_start();
        dialogue.listen();
        let (wire, _) = dialogue.message(60);
        dialogue.send(&wire);
        dialogue.flush();
    }
}

/// A chunk that does not come to its end, and may be refused for any reason.
fn trickling_chunk(dialogue: &mut Dialogue) {
    dialogue.script.chunks = true;
    dialogue.script.strict = false;
    dialogue.hello();
    dialogue.script.pace = dialogue.rng.pick(&[1, 10]);
    let path = dialogue.plan(None, Fate::Stored);
    if dialogue.mail(&path) && dialogue.rcpt() {
        let size = dialogue
            .rng
            .pick(&["600", "100000", "18446744073709551615"]);
        dialogue.send(format!("BDAT {size} LAST\r\n").as_bytes());
        let octets = dialogue.rng.size(599);
        dialogue.send(&b"x".repeat(octets));
    }
    dialogue.flush();
}

/// Floods the server with commands and reads no reply.
fn never_reading(dialogue: &mut Dialogue) {
    dialogue.script.reads = dialogue.opening().1;
    dialogue.script.bulky = true;
    dialogue.script.pace = 1 << 20;
    dialogue.script.exact = false;
    dialogue.script.flood = Some((6, 8));
    let commands = dialogue.rng.size(20_000);
    dialogue.send(&b"NOOP\r\n".repeat(commands));
    if dialogue.rng.one_in(2) {
        dialogue.then(Step::Close);
    }
    dialogue.flush();
}

/// Takes leave without having read its replies.
fn not_reading_goodbye(dialogue: &mut Dialogue) {
    let (opening, _) = dialogue.opening();
    never_reading(dialogue);
    dialogue.script.steps.truncate(opening);
    let commands = dialogue.rng.size(1500);
    dialogue.send(&b"NOOP\r\n".repeat(commands));
    dialogue.send(b"QUIT\r\n");
    dialogue.flush();
}

fn endless_line(dialogue: &mut Dialogue) {
    let length = dialogue.rng.size(100_000) + 600;
    dialogue.script.bulky = true;
    dialogue.script.pace = 1 << 20;
    dialogue.send(&b"x".repeat(length));
    if dialogue.rng.one_in(2) {
        dialogue.say("", reply::LINE_TOO_LONG);
        dialogue.quit();
    }
    dialogue.flush();
}

fn garbage(dialogue: &mut Dialogue) {
    dialogue.script.exact = false;
    for _ in 0..dialogue.rng.size(100) {
        let word = dialogue.rng.pick(&[
            &b"HELO x"[..],
            b"MAIL FROM:<",
            b"RCPT TO:",
            b"\r\n",
            b"\n",
            b"\r",
            b"\0",
            b"\x16\x03\x01",
            b".",
            b"RSET",
            b"BDAT 18446744073709551616",
            b"BDAT 5\r\n",
            b"BDAT 0 LAST\r\n",
            b"\xff\xfe",
            b" ",
            b">",
            b"SIZE=-1",
            b"GET / HTTP/1.1",
            b"QUIT",
        ]);
        dialogue.send(word);
    }
    dialogue.flush();
}

/// Says everything before it was greeted.
fn early_talker(dialogue: &mut Dialogue) {
    dialogue.script.exact = false;
    dialogue.script.strict = false;
    dialogue.script.steps.clear();
    dialogue.send(b"HELO c\r\n");
    dialogue.send_at_once();
}

fn error_storm(dialogue: &mut Dialogue) {
    dialogue.lockstep = dialogue.rng.one_in(2);
    for _ in 0..dialogue.rng.size(60) {
        dialogue.say("WHAT", reply::UNKNOWN_COMMAND);
    }
    if dialogue.over {
        dialogue.listen();
        dialogue.then(Step::AwaitClose);
    }
    dialogue.flush();
}

fn browser(dialogue: &mut Dialogue) {
    dialogue.over = true;
    dialogue.hear(reply::WRONG_PROTOCOL);
    dialogue.send(b"GET / HTTP/1.1\r\nHost: mail.example.org\r\n\r\n");
    dialogue.listen();
    dialogue.then(Step::AwaitClose);
}

/// Goes on sending, and much, when its session is over.
fn flooding(dialogue: &mut Dialogue) {
    dialogue.script.bulky = true;
    dialogue.script.exact = false;
    dialogue.script.closes = false;
    dialogue.script.pace = 1 << 20;
    if dialogue.rng.one_in(2) {
        dialogue.script.steps.clear();
    }
    dialogue.send(b"GET / HTTP/1.1\r\n");
    let length = dialogue.rng.between(100_000, 1_000_000);
    dialogue.send(&b"x".repeat(length));
    dialogue.flush();
}

/// Sends a message without waiting for 354: that is taken for one or ends the session, as the reads fall.
fn behind_data(dialogue: &mut Dialogue) {
    dialogue.script.exact = false;
    dialogue.script.strict = false;
    dialogue.script.pace = dialogue.rng.pick(&[1, 10, 1 << 20]);
    dialogue.hello();
    dialogue.send_at_once();
}

/// Is to begin TLS, and sends not all of what that takes, or something else.
fn never_secured(dialogue: &mut Dialogue) {
    if dialogue.script.opening != Opening::FromTheStart {
        return lockstep(dialogue);
    }
    dialogue.script.exact = false;
    dialogue.script.steps.clear();
    if dialogue.rng.one_in(2) {
        dialogue.script.opening = Opening::Unfinished;
    } else {
        dialogue.script.opening = Opening::Garbage;
        dialogue.send(b"EHLO c\r\nNOOP\r\n");
    }
    dialogue.flush();
    if dialogue.rng.one_in(2) {
        dialogue.then(Step::Abandon);
    }
}
