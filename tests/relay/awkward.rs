//! Messages that are awkward, each in another way.

/// What a server takes of text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taste {
    /// The longest line, without its end.
    pub(crate) line_max: usize,
    pub(crate) nul: bool,
}

/// A message with CRLF.
pub(crate) struct Awkward {
    /// What tells it from the others, in a field of its header.
    pub(crate) number: usize,
    pub(crate) text: Vec<u8>,
}

const TEXT_PIECE: usize = 64 * 1024;

/// So many of them.
pub(crate) fn messages(count: usize, taste: Taste) -> impl Iterator<Item = Awkward> {
    (0..count).map(move |number| {
        let mut text = format!(
            "Date: Sun, 29 Nov 2026 06:00:00 +0000\r\nFrom: <ada@here.example>\r\nTo: <bob@there.example>\r\n\
             Message-ID: <{number}@here.example>\r\nX-Number: {number}\r\nSubject: folded\r\n\tover\r\n  lines\r\n"
        )
        .into_bytes();
        text.extend(b"\r\n");
        text.extend(body(number, taste));
        Awkward { number, text }
    })
}

fn body(number: usize, taste: Taste) -> Vec<u8> {
    let line = |octets: &[u8]| [octets, b"\r\n"].concat();
    match number % 16 {
        0 => Vec::new(),
        1 => b".\r\n..\r\n...\r\n.\r\n".to_vec(),
        2 => (128..=255).flat_map(|octet| line(&[octet; 7])).collect(),
        3 => line(&vec![b'.'; taste.line_max]).repeat(3),
        // Its last line has no end: the way by BDAT lets it lack that, and it gets one.
        4 => b"no line end behind .".to_vec(),
        5 => line(if taste.nul { b"a\0b\0" } else { b"a b" }).repeat(20),
        6 => b"\r\n\r\n \r\n\t\r\nblanks \t \r\n\r\n\r\n".to_vec(),
        7 => b"From here on\r\n>From there\r\nFrom: nobody\r\n".to_vec(),
        // A dot at the start of a line at every place about the end of a piece.
        8 => {
            let mut body = line(&[b'x'; 70]).repeat(TEXT_PIECE / 72 - 4);
            body.extend(line(&[b'x'; 5][..number % 5]));
            body.extend(b".\r\n.x\r\n..\r\n".repeat(60));
            body
        }
        9 => {
            let controls = (1..32).filter(|octet| !b"\n\r".contains(octet));
            controls
                .flat_map(|octet| line(&[b'c', octet, b'.']))
                .collect()
        }
        10 => ".é\r\n😀 ünïcödé\r\n".repeat(number).into_bytes(),
        11 => line(&vec![0xFF; taste.line_max]),
        12 => b"QUIT\r\nDATA\r\nMAIL FROM:<>\r\n.QUIT\r\n".to_vec(),
        13 => line(b".").repeat(17_000),
        14 => mixed(number, taste),
        _ => b"\r\n".to_vec(),
    }
}

/// Lines of any octets, by a number.
fn mixed(number: usize, taste: Taste) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    };
    let mut body = Vec::new();
    for _ in 0..300 {
        let length = next() as usize % taste.line_max.min(1 + 40 * number);
        for _ in 0..length {
            body.push(match next() % 8 {
                0 => b'.',
                1 => b' ',
                2 => (128 + next() % 128) as u8,
                _ => (32 + next() % 95) as u8,
            });
        }
        body.extend(b"\r\n");
    }
    body
}
