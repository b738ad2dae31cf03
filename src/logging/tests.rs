#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::{PipeReader, Read, pipe};
use std::os::fd::AsRawFd;
use std::path::Path;

use super::*;

/// A log that goes to `path`, whose lines begin with the time or not.
fn log_to(path: &Path, stamped: bool) -> Gathered {
    let mut target = Destination::open(Some(path)).unwrap();
    target.stamped = stamped;
    Gathered::new(Arc::new(Mutex::new(target)))
}

/// A log whose reader is the test.
fn log_to_pipe(stamped: bool) -> (Gathered, PipeReader) {
    let (reader, writer) = pipe().unwrap();
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    (log_to(Path::new(&path), stamped), reader)
}

/// All that is in the pipe and all that comes behind it.
fn read_to_end(mut log: Gathered, mut reader: PipeReader) -> String {
    let mut text = String::new();
    let mut buffer = [0; GATHERED_BYTES_MAX];
    while !log.lines.is_empty() {
        let read = reader.read(&mut buffer).unwrap();
        text += str::from_utf8(&buffer[..read]).unwrap();
        log.flush().unwrap();
    }
    drop(log);
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_line_is_written_when_somebody_flushes() {
    let (mut log, reader) = log_to_pipe(false);
    for piece in ["conn=1", " ", "peer=a", "\n"] {
        write!(log, "{piece}").unwrap();
    }
    assert_eq!(log.lines, b"conn=1 peer=a\n");
    log.flush().unwrap();
    assert!(log.lines.is_empty());
    assert_eq!(read_to_end(log, reader), "conn=1 peer=a\n");
}

#[test]
fn each_line_begins_with_the_time_where_nobody_adds_it() {
    let (mut log, reader) = log_to_pipe(true);
    for line in ["conn=1", "conn=2"] {
        writeln!(log, "{line}").unwrap();
    }
    log.flush().unwrap();
    for (line, what) in read_to_end(log, reader).lines().zip(["conn=1", "conn=2"]) {
        let (stamp, rest) = line.split_once(' ').unwrap();
        assert!(
            stamp.starts_with("time=20") && stamp.ends_with('Z'),
            "{line}"
        );
        assert_eq!(rest, what);
    }
}

#[test]
fn what_nobody_reads_is_dropped_and_counted() {
    const LINES: usize = 20_000;
    let (mut log, reader) = log_to_pipe(false);
    for number in 0..LINES {
        writeln!(log, "line={number}").unwrap();
        assert!(log.lines.len() < 2 * GATHERED_BYTES_MAX);
    }
    log.flush().unwrap();
    let text = read_to_end(log, reader);
    let (kept, told): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("line="));
    assert!(kept.len() > 1000 && kept.len() < LINES, "{}", kept.len());
    for (number, line) in kept.iter().enumerate() {
        assert_eq!(*line, format!("line={number}"));
    }
    let dropped = LINES - kept.len();
    let expected = format!("warning=\"the log could not be written\" lines_dropped={dropped}");
    assert_eq!(told, [expected]);
}

#[test]
fn a_full_disk_costs_lines_and_says_how_many_once_there_is_room() {
    let mut log = log_to(Path::new("/dev/full"), false);
    for number in 0..10 {
        writeln!(log, "line={number}").unwrap();
        log.flush().unwrap();
        assert!(log.lines.is_empty());
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let target = Destination::open(Some(file.path())).unwrap();
    log.target.lock().unwrap().sink = target.sink;
    writeln!(log, "line=10").unwrap();
    log.flush().unwrap();
    let told = "line=10\nwarning=\"the log could not be written\" lines_dropped=10\n";
    assert_eq!(fs::read_to_string(file.path()).unwrap(), told);
}

#[test]
fn a_line_that_was_cut_is_ended_before_the_next() {
    let file = tempfile::NamedTempFile::new().unwrap();
    File::create(file.path())
        .unwrap()
        .write_all(b"line=")
        .unwrap();
    let mut log = log_to(file.path(), false);
    log.target.lock().unwrap().is_torn = true;
    writeln!(log, "line=2").unwrap();
    log.flush().unwrap();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "line=\nline=2\n");
}
