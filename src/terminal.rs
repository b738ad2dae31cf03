//! Asking whoever sits at the terminal for a password, which is not shown; and the terminal as a screen.

#[cfg(feature = "top")]
pub mod full_screen;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};

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
    let mut silenced = Silenced::new(file)?;
    silenced.file.write_all(prompt.as_bytes())?;
    let line = silenced.read_line();
    silenced.file.write_all(b"\r\n")?;
    let line = line?;
    String::from_utf8(line).map_err(|_| io::Error::other("write it in UTF-8"))
}

/// A terminal that shows nothing of what is typed, until this is dropped. Keys come one at a time, and none of them sends
/// a signal: that would end the program before the terminal is as it was.
struct Silenced {
    file: File,
    before: Termios,
}

impl Silenced {
    fn new(file: File) -> io::Result<Self> {
        let before = tcgetattr(&file)?;
        let mut silent = before.clone();
        silent.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        // What was typed before the prompt, and shown, is no password.
        tcsetattr(&file, OptionalActions::Flush, &silent)?;
        Ok(Self { file, before })
    }

    /// Reads to the end of the line, with the keys that erase.
    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        const BACKSPACE: [u8; 2] = [0x08, 0x7f];
        const CONTROL_C: u8 = 0x03;
        const CONTROL_D: u8 = 0x04;
        const CONTROL_U: u8 = 0x15;
        let mut line = Vec::new();
        loop {
            let mut key = [0];
            let count = self.file.read(&mut key)?;
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
}

impl Drop for Silenced {
    fn drop(&mut self) {
        // Where this fails there is no terminal any more.
        let _ = tcsetattr(&self.file, OptionalActions::Flush, &self.before);
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
