//! What a server of a stream says: read alike however it is cut, and within bounds. INFO, answers for the stream and those of monitors
//! are read as well.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailoop::stream::info::ServerInfo;
use mailoop::stream::monitor::MonitorFacts;
use mailoop::stream::promise::check_stream;
use mailoop::stream::report::StreamAnswer;
use mailoop::stream::wire::{MESSAGE_BYTES_MAX, ServerOp, WireError, WireParser};

// The first octet says how the rest is cut.
fuzz_target!(|bytes: &[u8]| {
    let [cut, octets @ ..] = bytes else {
        return;
    };
    let whole = read(octets, usize::MAX);
    assert_eq!(read(octets, usize::from(*cut).max(1)), whole);
    for op in whole.0 {
        match op {
            ServerOp::Info(text) => drop(ServerInfo::parse(&text)),
            ServerOp::Message(it) => {
                assert!(it.message.payload.len() <= MESSAGE_BYTES_MAX);
                let _ = MonitorFacts::parse(&it.message.payload);
                let answer = StreamAnswer::parse(it.message.status, &it.message.payload);
                if let StreamAnswer::Found(report) = answer {
                    let _ = check_stream(&report);
                }
            }
            _ => {}
        }
    }
});

fn read(octets: &[u8], part: usize) -> (Vec<ServerOp>, Option<WireError>) {
    let mut parser = WireParser::default();
    let mut ops = Vec::new();
    for mut part in octets.chunks(part) {
        loop {
            match parser.next(&mut part) {
                Ok(Some(op)) => ops.push(op),
                Ok(None) => break,
                Err(error) => return (ops, Some(error)),
            }
        }
        assert!(parser.kept() <= octets.len());
    }
    (ops, None)
}
