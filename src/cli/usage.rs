//! Help, and the answer to a command line that is wrong.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::subcommand::Request;
use crate::config::text::nearest;
use crate::exit::{ExitCode, Failed};

/// The width of a terminal that everybody has. Help is no wider.
pub(super) const COLUMNS: usize = 80;

/// Answers a command line that clap did not take with a line; or with the text that was asked for. `all` is the whole
/// command line.
pub(super) fn answer(error: &clap::Error, all: &clap::Command) -> Result<Request, Failed> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return Ok(Request::Show(wrapped(&text)));
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Ok(Request::Help(wrapped(&text)));
        }
        _ => {}
    }
    // Options are told by the help of their own command, which the usage line names.
    let usage = text
        .lines()
        .find_map(|line| line.strip_prefix("Usage: mailoop "));
    let name = usage.and_then(|usage| usage.split(' ').next());
    let asked = name.and_then(|name| all.find_subcommand(name));
    let place = asked.map_or("mailoop".to_owned(), |command| {
        format!("mailoop {}", command.get_name())
    });
    let lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let line = lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    let meant = meant(error, asked.unwrap_or(all));
    let remedy = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
    Err(Failed::new(
        ExitCode::Usage,
        format_args!("{line}{remedy} (see {place} --help)"),
    ))
}

/// The flag or subcommand of `command` whose name is nearly the one that was asked for.
fn meant(error: &clap::Error, command: &clap::Command) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let written = text(ContextKind::InvalidArg)?.strip_prefix("--")?;
            let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
            let names: Vec<_> = shown.filter_map(clap::Arg::get_long).collect();
            let nearest = nearest(written, &names)?;
            Some(format!("--{nearest}"))
        }
        ErrorKind::InvalidSubcommand => {
            let written = text(ContextKind::InvalidSubcommand)?;
            let shown = command
                .get_subcommands()
                .filter(|command| !command.is_hide_set());
            let names: Vec<_> = shown.map(clap::Command::get_name).collect();
            nearest(written, &names).map(str::to_owned)
        }
        _ => None,
    }
}

/// Help whose lines fit a terminal. What is too long goes on below the place where it began.
pub(super) fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        let indent = " ".repeat(hanging_indent(line));
        let mut width = 0;
        for word in line.split_inclusive(' ') {
            let length = word.trim_end().chars().count();
            if width + length > COLUMNS && width > indent.len() {
                wrapped.truncate(wrapped.trim_end().len());
                wrapped.push('\n');
                wrapped += &indent;
                width = indent.len();
            }
            wrapped += word;
            width += word.chars().count();
        }
        wrapped.push('\n');
    }
    wrapped
}

/// The column at which the text of a line of help goes on: that of what stands after a flag, or a word after `Usage:`.
fn hanging_indent(line: &str) -> usize {
    const USAGE: &str = "Usage: ";
    let text = line.trim_start();
    let margin = line.len() - text.len();
    if line.starts_with(USAGE) {
        return USAGE.len();
    }
    match text.find("  ").filter(|_| margin > 0) {
        Some(end) => margin + end + (text[end..].len() - text[end..].trim_start().len()),
        None => margin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_below_the_place_where_they_began() {
        let text = format!(
            "About\n\n      --flag <N>  {}\n  -h\n",
            "four ".repeat(20).trim_end()
        );
        let first = format!("      --flag <N>  {}", "four ".repeat(12).trim_end());
        let rest = format!("                  {}", "four ".repeat(8).trim_end());
        assert_eq!(wrapped(&text), format!("About\n\n{first}\n{rest}\n  -h\n"));
        let word = "x".repeat(100);
        assert_eq!(wrapped(&word), format!("{word}\n"));
    }
}
