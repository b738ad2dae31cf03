//! A terminal of which a program draws every line, until it gives it back as it was.

use std::io::{self, IsTerminal, Stdin, Write};

use rustix::termios::{SpecialCodeIndex, Termios, tcgetwinsize};

use super::ChangedMode;

/// Goes to the alternate screen, which keeps what was on the other one, and hides the cursor (xterm's control sequences).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Takes both back.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Goes to the first column of the first line (ECMA-48).
const HOME: &str = "\x1b[H";
/// Erases the rest of a line.
const ERASE_LINE: &str = "\x1b[K";
/// Erases what is below.
const ERASE_BELOW: &str = "\x1b[J";
/// Swaps the colours, and swaps them back.
const HIGHLIGHT: [&str; 2] = ["\x1b[7m", "\x1b[m"];
/// The columns and lines of a terminal that does not say.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// The terminal at standard input and output. Keys come one at a time, none of them sends a signal, and reading them does not
/// wait. The terminal is as it was once this is dropped.
pub struct FullScreen {
    keyboard: ChangedMode<Stdin>,
    /// The text of the next picture.
    text: String,
}

impl FullScreen {
    /// Whether standard input and output are a terminal.
    #[must_use]
    pub fn is_there() -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Takes the terminal over.
    ///
    /// # Errors
    /// Standard input is no terminal, or the terminal is gone.
    pub fn open() -> io::Result<Self> {
        let make_raw = |mode: &mut Termios| {
            mode.make_raw();
            // A read returns at once: non-blocking mode would be the shell's as well.
            mode.special_codes[SpecialCodeIndex::VMIN] = 0;
            mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        };
        let screen = Self {
            keyboard: ChangedMode::new(io::stdin(), make_raw)?,
            text: String::new(),
        };
        show(ENTER)?;
        Ok(screen)
    }

    /// The columns and lines there are, which change as somebody likes.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => USUAL_SIZE,
        }
    }

    /// The next key that was pressed, if there is one.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn key(&mut self) -> io::Result<Option<u8>> {
        let mut key = [0];
        match rustix::io::read(&self.keyboard.terminal, &mut key) {
            Ok(count) => Ok((count > 0).then_some(key[0])),
            Err(error) if error == rustix::io::Errno::INTR => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Draws these lines, which fit and hold no control characters, in place of what is there. One is highlighted.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, lines: &[String], highlighted: usize) -> io::Result<()> {
        self.text.clear();
        self.text += HOME;
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                self.text += "\r\n";
            }
            let [on, off] = HIGHLIGHT;
            let is_highlighted = number == highlighted;
            self.text += if is_highlighted { on } else { "" };
            self.text += line;
            self.text += if is_highlighted { off } else { "" };
            self.text += ERASE_LINE;
        }
        self.text += ERASE_BELOW;
        show(&self.text)
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        // Where this fails there is no terminal any more. The mode is the former one right after this.
        let _ = show(LEAVE);
    }
}

fn show(text: &str) -> io::Result<()> {
    let mut output = io::stdout();
    output.write_all(text.as_bytes())?;
    output.flush()
}
