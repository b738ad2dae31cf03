//! The file of a record: who may read it, how large it is, when it is written, and what becomes of it in bad times.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{RecordFile, bytes_out, replay};
use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::processes::{is_running, is_stopped, signal};
use crate::common::{TestServer, happens, skipped, wait_until};

/// A session that delivers one message.
fn deliver(server: &TestServer, text: &str) {
    let mut client = Client::connect(server.address());
    client.begin_message("b@example.org");
    client.say(&format!("{text}\r\n.\r\n"));
    client.expect("250");
    client.ask("QUIT", "221");
    client.rest();
}

#[test]
fn nobody_else_reads_it_and_a_file_that_is_there_is_written_over() {
    let record = RecordFile::new();
    let mode = || fs::metadata(&record.path).unwrap().permissions().mode() & 0o7777;
    let mut server = record.serve(&[]);
    assert_eq!(mode(), 0o600);
    deliver(&server, "text");
    server.stop();
    let (octets, is_cut_short) = record.is_same();
    assert!(!is_cut_short);
    assert_eq!(octets, bytes_out(&server.log()));

    fs::write(&record.path, vec![b'x'; 1 << 20]).unwrap();
    fs::set_permissions(&record.path, Permissions::from_mode(0o644)).unwrap();
    let mut server = record.serve(&[]);
    assert_eq!(mode(), 0o600);
    server.stop();
    assert_eq!(record.is_same(), (0, false));
    assert!(record.octets().len() < 4096);
}

#[test]
fn two_programs_do_not_write_into_one_and_a_refused_start_leaves_it() {
    let record = RecordFile::new();
    let mut server = record.serve(&["--discard"]);
    deliver(&server, "Subject: x\r\n\r\ntext\r\n");
    let begin = |options: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mailoop"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--record", &record.path]);
        command.args(options).output().unwrap()
    };
    let refused = begin(&["--discard"]);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(73), "{error}");
    assert!(error.contains("another program records in it"), "{error}");
    server.stop();
    record.is_same();
    let before = record.octets();
    let refused = begin(&["--maildir", "/dev/null"]);
    assert!(!refused.status.success());
    assert!(record.octets() == before, "it is another record");
}

#[test]
fn what_is_no_record_and_what_is_not_there_is_told() {
    let record = RecordFile::new();
    assert_eq!(record.replay().status.code(), Some(66));
    for (text, told) in [
        ("", "it is no record"),
        ("Subject: x\n", "it is no record"),
        ("mailoop-rec", "it is no record"),
        ("mailoop-record-1", "it is no record"),
        ("mailoop-record-2\n", "it is a record of version 2"),
    ] {
        fs::write(&record.path, text).unwrap();
        let output = record.replay();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(65), "{text}: {error}");
        assert!(error.contains(&record.path) && error.lines().count() == 1);
        assert!(error.contains(told), "{text}: {error}");
    }
    assert_eq!(replay(record.folder.path()).status.code(), Some(74));

    let mut server = record.serve(&[]);
    deliver(&server, "text");
    server.stop();
    let mut octets = record.octets();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::write(&record.path, octets).unwrap();
    let output = record.replay();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65), "{error}");
    assert!(error.contains("is garbled"), "{error}");
}

#[test]
fn text_is_kept_where_that_is_wanted_and_nowhere_else() {
    for (option, is_kept) in [(&[][..], false), (&["--record-text"], true)] {
        let record = RecordFile::new();
        let mut server = record.serve(option);
        deliver(&server, "Subject: wozzeck-47\r\n\r\nmarie-48");
        server.stop();
        for text in ["wozzeck", "marie"] {
            assert_eq!(record.holds(text), is_kept, "{option:?}");
        }
        let (octets, _) = record.is_same();
        assert_eq!(octets, bytes_out(&server.log()));
    }
}

#[test]
fn what_a_tick_brought_is_in_the_file_within_a_second() {
    undisturbed(|| {
        let record = RecordFile::new();
        let server = record.serve(&[]);
        let mut client = Client::connect(server.address());
        client.expect("220");
        client.ask("HELO alban-berg", "250");
        let heard = Instant::now();
        wait_until("the record", || record.holds("alban-berg"));
        assert!(heard.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn a_server_that_is_killed_leaves_a_record_that_is_cut_short() {
    let record = RecordFile::new();
    let mut server = record.serve(&[]);
    deliver(&server, "text");
    let mut client = Client::connect(server.address());
    client.begin_message("b@example.org");
    client.say("the first half\r\n");
    let mut other = Client::connect(server.address());
    other.expect("220");
    other.ask("HELO alban-berg", "250");
    wait_until("the record", || record.holds("alban-berg"));
    server.signal(Signal::KILL);
    wait_until("the server to end", || server.has_ended());
    // Its record process writes what it has been given.
    let (octets, is_cut_short) = record.is_same();
    assert!(is_cut_short && octets > bytes_out(&server.log()));
}

#[test]
fn it_is_never_larger_than_it_may_be_and_the_service_goes_on() {
    for bytes_max in [10_000_u64, 12_345] {
        let record = RecordFile::new();
        let mut server = record.serve(&["--record-max", &bytes_max.to_string()]);
        for _ in 0..10 {
            deliver(&server, "text");
        }
        let told = || server.log().matches("the record ends").count();
        wait_until("the end of the record to be told", || told() > 0);
        assert_eq!(server.new_mail("b@example.org").len(), 10);
        server.stop();
        let log = server.log();
        assert_eq!(log.matches("the record ends").count(), 1, "{log}");
        let size = record.octets().len() as u64;
        assert!(size <= bytes_max && size > bytes_max - 2000, "{size}");
        let (_, is_cut_short) = record.is_same();
        assert!(!is_cut_short, "it says that it ends");
    }
}

#[test]
fn a_disk_that_is_full_ends_the_record_and_not_the_service() {
    let record = RecordFile::new();
    let args = ["--record", &record.path, "--discard"];
    let mut server = TestServer::start_with_file_size(16, &args);
    let told = happens(|| {
        deliver(&server, "text");
        server.log().contains("the record ends: ")
    });
    assert!(told, "{}", server.log());
    deliver(&server, "text");
    server.stop();
    assert!(record.octets().len() <= 16 * 1024);
    record.is_same();
}

#[test]
fn a_record_on_a_full_device_is_told_at_once() {
    let mut server = TestServer::start(&["--record", "/dev/full"]);
    let told = happens(|| {
        deliver(&server, "text");
        server
            .log()
            .contains("the record ends: No space left on device")
    });
    assert!(told, "{}", server.log());
    server.stop();
}

#[test]
fn who_reads_a_record_slowly_holds_nobody_up() {
    let record = RecordFile::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &record.path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    // Nobody reads it at all.
    let _reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&record.path)
        .unwrap();
    let mut server = record.serve(&["--discard", "--record-text"]);
    let line = "x".repeat(70) + "\r\n";
    for _ in 0..8 {
        let mut client = Client::connect(server.address());
        client.begin_message("b@example.org");
        client.say(&line.repeat(10_000));
        client.say(".\r\n");
        client.expect("250");
    }
    wait_until("the end of the record to be told", || {
        server.log().contains("the record ends: ")
    });
    server.stop();
}

#[test]
fn a_reload_changes_nothing_of_it() {
    let record = RecordFile::new();
    let mut server = record.serve(&[]);
    deliver(&server, "text");
    let moved = record.beside("moved");
    fs::rename(&record.path, &moved).unwrap();
    server.signal(Signal::HUP);
    wait_until("the reload", || server.log().contains("reloaded"));
    deliver(&server, "text");
    server.stop();
    assert!(!fs::exists(&record.path).unwrap());
    let output = replay(&moved);
    let said = String::from_utf8(output.stdout).unwrap();
    let octets = format!(", 2 connections, {} octets\n", bytes_out(&server.log()));
    assert!(said.ends_with(&octets), "{said}");
}

#[test]
fn a_record_that_cannot_be_made_is_told_at_the_start() {
    let record = RecordFile::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--discard", "--record"]);
    let output = command.arg(record.beside("no/folder")).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{error}");
    assert!(error.contains("cannot record in"), "{error}");
}

#[test]
fn somebody_who_is_not_root_is_recorded_where_he_may_write() {
    use nix::unistd::{User, geteuid};
    use std::os::unix::fs::{MetadataExt, chown};

    if !geteuid().is_root() {
        skipped::note(&[skipped::ROOT]);
        return;
    }
    let user = User::from_name("nobody").unwrap().unwrap();
    let record = RecordFile::new();
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    chown(record.folder.path(), Some(uid), Some(gid)).unwrap();
    let mut server = record.serve(&["--user", "nobody", "--discard"]);
    deliver(&server, "text");
    server.stop();
    let file = fs::metadata(&record.path).unwrap();
    assert_eq!((file.uid(), file.mode() & 0o7777), (uid, 0o600));
    assert_eq!(record.is_same().0, bytes_out(&server.log()));
}

#[test]
fn a_reload_of_the_end_text_does_not_change_that_of_a_session_under_way() {
    let record = RecordFile::new();
    let config = record.beside("mailoop.toml");
    let write = |end: &str| {
        fs::write(
            &config,
            format!("listen = ['127.0.0.1:0']\nend-of-data = '{end}'\n"),
        )
        .unwrap();
    };
    write("THE END");
    let mut server = record.serve(&["--config", config.to_str().unwrap(), "--discard"]);
    let mut client = Client::connect(server.address());
    client.begin_message("b@example.org");
    write("FIN");
    server.signal(Signal::HUP);
    wait_until("the reload", || server.log().contains("reloaded"));
    client.say("text\r\nFIN\r\nTHE ENDS\r\nTHE END\r\n");
    client.expect("250");
    let mut later = Client::connect(server.address());
    later.begin_message("b@example.org");
    later.say("THE END\r\nFIN\r\n");
    later.expect("250");
    server.stop();
    assert_eq!(record.is_same(), (bytes_out(&server.log()), false));
}

/// The fields of a message that is submitted decide what is put into it.
#[test]
fn fields_that_are_looked_for_are_found_in_text_that_is_hidden() {
    let record = RecordFile::new();
    let listen = ["--listen-submission", "127.0.0.1:0", "--discard"];
    let mut server = record.serve(&[&listen[..], &["--xclient-from", "127.0.0.1"]].concat());
    let mut client = Client::connect(server.address());
    client.expect("220");
    client.ask("XCLIENT LOGIN=ada PROTO=ESMTP HELO=client", "220");
    for header in [
        "",
        "Date: x\r\n",
        "Message-ID: <x>\r\n",
        "dATe : x\r\nMESSAGE-ID:<y>\r\n",
        ">From a\r\nDate: x\r\n",
        "From a b\r\nMessage-Id: x\r\n",
        "Dates: x\r\nMessage-IDs: y\r\n",
        "Dat: x\r\nMessage-I: y\r\n",
        " Date: x\r\n",
        "Subject: x\r\n Date: y\r\nMessage-ID: z\r\n",
        "no field\r\nDate: x\r\n",
        "\u{e9}: x\r\nDate: x\r\n",
        "\r\nDate: x\r\nMessage-ID: y\r\n",
        "..Date: x\r\nMessage-ID: y\r\n",
    ] {
        client.ask("MAIL FROM:<ada@mx.example.org>", "250");
        client.ask("RCPT TO:<b@example.org>", "250");
        client.ask("DATA", "354");
        // In one piece and in many.
        client.say(header);
        for piece in [header, "\r\nbody\r\n", ".\r\n"]
            .concat()
            .split_inclusive(' ')
        {
            client.say(piece);
        }
        client.expect("250");
    }
    server.stop();
    assert_eq!(record.is_same(), (bytes_out(&server.log()), false));
}

/// As one does whose disk hangs.
#[test]
fn a_record_process_that_stands_still_does_not_keep_the_server_from_ending() {
    let record = RecordFile::new();
    let mut server = record.serve(&["--discard"]);
    deliver(&server, "text");
    let mut family = server.family().into_iter();
    let writes_record = |process: &u32| {
        let command = fs::read(format!("/proc/{process}/cmdline"));
        command.is_ok_and(|command| command.ends_with(b"record-process\0"))
    };
    let writer = family.find(writes_record).unwrap();
    signal(writer, Signal::STOP);
    wait_until("the record process to stand still", || is_stopped(writer));
    server.stop();
    assert!(server.log().contains("the record lacks its end"));
    signal(writer, Signal::CONT);
    wait_until("the record", || !is_running(writer));
    assert_eq!(record.is_same(), (bytes_out(&server.log()), false));
}
