//! The judge: is this an SMTP server, or an SMTP client?
//!
//! A [check](check::JudgeCheck) is a dialogue with a name and one sentence of what must hold. It is [read](parse) from a file that a
//! teacher can write, [played](play) without a socket, and ends in a [verdict](verdict). `tools::judge` puts it on connections.
//!
//! # Files of checks
//!
//! A file has checks, one after the other. Each begins with its head and goes on with its dialogue. Lines that begin with `#`, and
//! empty ones, are for people.
//!
//! ```text
//! group: order                    the head of the file: what all its checks have, if they say nothing else
//! step: 3                         the step of an assignment, 1 to 9: failures are told in their order
//! dialect: both                   rfc5321, classroom, or both, which is the default
//!
//! check: rcpt-before-mail         begins a check: small letters, digits and hyphens
//! must: RCPT before MAIL is refused with 503.     one sentence, told where it fails; should: is one that no exit code knows
//! rfc: 5321 §4.1.4                the section
//! first: helo                     its dialogue begins with that of the check of this name, which must have passed
//! points: 2                       for a grade; without it a must is worth 1 and a should 0
//! hint: …                         one more sentence, shown where it fails
//! C: RCPT TO:<{to}>
//! S: 503
//! ```
//!
//! The dialogue, where a server is judged:
//!
//! ```text
//! C: NOOP                         the client says this line; lines in a row go in one write
//! C~ NO                           exactly these octets, without a line end
//! C| NO|OP\r|\n                   the same, and each | ends a segment: what follows is sent after a short pause
//! C* 1000 x                       the same octets so often
//! octet by octet                  each octet of the lines that follow goes in a segment of its own
//! S: 250                          the server answers with this code, in one line or several
//! S: 5                            with a code that begins so
//! S: 250|251                      with one of these
//! S: 500|closed                   or it closes the connection, and this client is done
//! S: 220 *                        with text behind the code; or a pattern, in which * stands for any text
//! S* 3 250                        three replies
//! within 1s                       the reply in the next line comes in that time; else it has that of --timeout
//! quiet 300ms                     the server says nothing for so long
//! pause 2s                        the client waits
//! closed                          the server closes the connection
//! close                           the client does, without a word
//! abort                           the client does, with a reset
//! offers PIPELINING               the last reply names this extension; else the check does not apply
//! crlf                            each line of the server so far ended in CR LF
//! ```
//!
//! A number names another client: `C2:`, `S2:`, and behind a word, `close 2`, `quiet 300ms 2`. `C2-50:` and `S2-50:` are for each of
//! these. A client connects where it is first named.
//!
//! `{from}`, `{to}` and `{to2}` are the addresses of the options, `{end}` is the line that ends a message. `\r`, `\n`, `\t`, `\\` and
//! `\x1B` are escapes.
//!
//! In a check of a client the lines of `S:` are the judge's, and those of `C:` are the client's. They make no sequence but a
//! [script](scripted): whenever a line comes that fits, the judge does what follows that. All else is answered as servers do.
//!
//! ```text
//! quiet 700ms                     before the first C: at the beginning of each connection: the client says nothing for so long
//! S: 220 judge.example            the judge says so, instead of its usual greeting
//! C: EHLO *|HELO *                whenever such a line comes; * stands for any text, and | is between patterns
//! S~ 250-judge\r\n               the judge says so, instead of its usual answer
//! pause 2s                        the judge waits
//! S: 250 8BITMIME
//! C* 1 RCPT *                     so often; after that a later entry for such a line holds, or what is usual
//! S: 450 4.2.1 Busy
//! C: .                            the line that ends a message
//! close                           the judge closes the connection; abort: with a reset
//! I: Subject: hi                  the command finds this on its standard input: a line, ended by LF; also I~ and I*
//! ```
//!
//! The rest is of the end of the client, wherever it stands: all of it has to be true.
//!
//! ```text
//! exit 0                          its command exits with this code; exit other: with another one
//! comes QUIT                      such a line has come
//! never DATA|RCPT *               none of these
//! text ..dot                      such a line is in a message, as it came
//! crlf                            each line ended in CR LF
//! needs 2 RCPT *                  such a line has come so often; else the check does not apply
//! needs text Subject: hi          such a line is in a message; else the check does not apply
//! ```

pub mod check;
pub mod parse;
pub mod play;
pub mod reply;
pub mod report;
pub mod scripted;
pub mod set;
pub mod transcript;
pub mod verdict;
