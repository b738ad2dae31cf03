use proptest::prelude::*;

use super::*;
use crate::milter::tests::filter::packet;

/// All packets in octets that come in parts of this length, with pieces of a body put together, and the error that ends them.
fn read(octets: &[u8], part: usize) -> (Vec<FilterPacket>, Option<MilterError>) {
    let mut decoder = PacketDecoder::default();
    let mut packets: Vec<FilterPacket> = Vec::new();
    for mut part in octets.chunks(part) {
        loop {
            match decoder.next(&mut part) {
                Ok(Some(next)) => match packets.last_mut() {
                    Some(last) if last.command == REPLACE_BODY && next.command == REPLACE_BODY => {
                        last.data.extend_from_slice(&next.data);
                    }
                    _ => packets.push(next),
                },
                Ok(None) => break,
                Err(error) => return (packets, Some(error)),
            }
        }
        assert!(part.is_empty());
        assert!(decoder.kept() <= HEAD_BYTES + PACKET_BYTES_MAX);
    }
    (packets, None)
}

#[test]
fn packets_are_read_however_they_are_cut() {
    let octets = [
        packet(b'c', b""),
        packet(b'h', b"name\0value\0"),
        packet(b'b', b""),
        packet(b'a', b""),
        packet(b'b', b"some body"),
        packet(b'y', &[b'x'; 500]),
    ]
    .concat();
    let whole = read(&octets, usize::MAX);
    assert_eq!((whole.0.len(), whole.1), (6, None));
    for part in 1..octets.len() {
        assert_eq!(read(&octets, part), whole, "{part}");
    }
    // The start of it is read alike.
    for end in 0..octets.len() {
        let (packets, error) = read(&octets[..end], usize::MAX);
        assert_eq!(error, None);
        let is_start = packets
            .iter()
            .zip(&whole.0)
            .all(|(a, b)| b.data.starts_with(&a.data));
        assert!(is_start, "{end}");
    }
}

#[test]
fn what_is_no_packet_is_known_at_once() {
    let error = |octets: &[u8]| read(octets, usize::MAX).1;
    assert_eq!(error(b"\0\0\0\0"), Some(MilterError::EmptyPacket));
    assert_eq!(
        error(b"\0\0\0\x01x"),
        Some(MilterError::UnknownCommand(b'x'))
    );
    // What we say is nothing that a filter says.
    for command in b"ABCDEHLMNQRTUK" {
        assert_eq!(
            error(&packet(*command, b"")),
            Some(MilterError::UnknownCommand(*command))
        );
    }
    let long = |length: usize, command: u8| {
        let length = u32::try_from(length).unwrap().to_be_bytes();
        [&length[..], &[command]].concat()
    };
    assert_eq!(error(&long(PACKET_BYTES_MAX, b'y')), None);
    let too_long = Some(MilterError::PacketTooLong(b'y'));
    assert_eq!(error(&long(PACKET_BYTES_MAX + 1, b'y')), too_long);
    assert_eq!(error(&long(u32::MAX as usize, b'y')), too_long);
    assert_eq!(error(&long(u32::MAX as usize, b'b')), None);
}

#[test]
fn the_longest_packet_takes_no_more_than_its_length() {
    let data = vec![7; PACKET_BYTES_MAX - 1];
    let octets = packet(b'y', &data);
    let mut decoder = PacketDecoder::default();
    let (first, second) = octets.split_at(octets.len() / 2);
    assert_eq!(decoder.next(&mut &first[..]), Ok(None));
    assert!(decoder.data.capacity() < PACKET_BYTES_MAX);
    assert_eq!(decoder.kept(), first.len() - 4 + 4);
    let whole = decoder.next(&mut &second[..]).unwrap().unwrap();
    assert_eq!(whole.data, data);
    assert_eq!((decoder.kept(), decoder.data.capacity()), (0, 0));
}

#[test]
fn a_text_ends_where_its_packet_does() {
    let mut out = BytesMut::from(&b"before"[..]);
    let mut writer = PacketWriter::new(b'H', &mut out);
    writer.text(b"a\0b");
    writer.text(&[b'x'; 70_000]);
    writer.end();
    assert_eq!(out.len(), 6 + HEAD_BYTES + DATA_BYTES_MAX);
    assert_eq!(&out[6..15], b"\0\x01\0\0Ha b\0");
    assert_eq!(&out[out.len() - 2..], b"x\0");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn octets_are_read_alike_in_any_parts(
        packets in prop::collection::vec((prop::sample::select(REPLIES), prop::collection::vec(any::<u8>(), 0..20)), 0..6),
        tail in prop::collection::vec(any::<u8>(), 0..12),
        part in 1_usize..9,
    ) {
        let mut octets: Vec<u8> = packets.iter().flat_map(|(command, data)| packet(*command, data)).collect();
        octets.extend_from_slice(&tail);
        prop_assert_eq!(read(&octets, part), read(&octets, usize::MAX));
    }
}
