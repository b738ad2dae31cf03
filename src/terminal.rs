//! Asking whoever sits at the terminal for a password, which is not shown; and the terminal as a screen.

#[cfg(feature = "top")]
pub mod full_screen;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The variable with a password for `mailoop send`. On the command line all users of the machine could see it.
pub const PASSWORD_VARIABLE: &str = "MAILOOP_PASSWORD";
/// The most octets of a password.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Shows `prompt` and reads a line that nobody sees, from the terminal itself: standard input may be something else.
///
/// # Errors
/// There is no terminal; whoever sits there gave up ([`ErrorKind::Interrupted`]); what was typed is no text, or too long.
pub fn ask_password(prompt: &str) -> io::Result<String> {
    let file = File::options().read(true).write(true).open("/dev/tty")?;
    let silence = |mode: &mut Termios| {
        mode.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    };
    let mut silenced = ChangedMode::new(file, silence)?;
    silenced.terminal.write_all(prompt.as_bytes())?;
    let line = read_line(&mut silenced.terminal);
    silenced.terminal.write_all(b"\r\n")?;
    let line = line?;
    String::from_utf8(line).map_err(|_| io::Error::other("write it in UTF-8"))
}

/// A terminal in another mode, until this is dropped. No key should send a signal then: that would end the program before
/// the terminal is as it was.
struct ChangedMode<T: AsFd> {
    terminal: T,
    before: Termios,
}

impl<T: AsFd> ChangedMode<T> {
    /// Changes the mode. What was typed before that, and shown, is for nobody.
    fn new(terminal: T, change: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut mode = before.clone();
        change(&mut mode);
        tcsetattr(&terminal, OptionalActions::Flush, &mode)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for ChangedMode<T> {
    fn drop(&mut self) {
        // Where this fails there is no terminal any more.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Reads to the end of the line, with the keys that erase, where keys come one at a time.
fn read_line(terminal: &mut File) -> io::Result<Vec<u8>> {
    const BACKSPACE: [u8; 2] = [0x08, 0x7f];
    const CONTROL_C: u8 = 0x03;
    const CONTROL_D: u8 = 0x04;
    const CONTROL_U: u8 = 0x15;
    let mut line = Vec::new();
    loop {
        let mut key = [0];
        let count = terminal.read(&mut key)?;
        match key[0] {
            b'\r' | b'\n' => return Ok(line),
            _ if count == 0 => return Ok(line),
            CONTROL_C | CONTROL_D => return Err(ErrorKind::Interrupted.into()),
            CONTROL_U => line.clear(),
            key if BACKSPACE.contains(&key) => erase(&mut line),
            key if line.len() < PASSWORD_BYTES_MAX => line.push(key),
            _ => return Err(io::Error::other("it is too long")),
        }
    }
}

/// Takes off the last character, which may be several octets of UTF-8.
fn erase(line: &mut Vec<u8>) {
    while let Some(octet) = line.pop() {
        let goes_on = octet & 0b1100_0000 == 0b1000_0000;
        if !goes_on {
            return;
        }
    }
}
