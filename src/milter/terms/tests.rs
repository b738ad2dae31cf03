use super::*;
use crate::milter::macros::FilterMacros;
use crate::milter::step::FilterStep;
use crate::milter::tests::filter::{PEER, Scene, answer, packet, shown};

fn wrong(offer: FilterOffer, octets: &[u8]) -> MilterError {
    Scene::unanswered(offer).say(octets).unwrap_err()
}

#[test]
fn an_older_version_offers_what_it_knows() {
    for (version, protocol) in [
        (2, 0x7f),
        (3, 0x17f),
        (4, 0x37f),
        (5, 0x37f),
        (6, 0x1f_ffff),
    ] {
        let offer = FilterOffer {
            version,
            ..FilterOffer::default()
        };
        let mut out = BytesMut::new();
        offer.write(&mut out);
        assert_eq!(&out[..], answer(version, 0x1ff, protocol));
        // Which steps are not wanted may always be said.
        Scene::offered(offer, &answer(version, 0, 0x37f));
        let error = wrong(offer, &answer(version, 0, 0x20_0001));
        assert_eq!(error, MilterError::Protocol(0x20_0000));
    }
    let mut out = BytesMut::new();
    FilterOffer {
        version: 6,
        actions: 1,
        protocol: 2,
    }
    .write(&mut out);
    assert_eq!(&out[..], answer(6, 1, 2));
}

#[test]
fn a_filter_agrees_to_what_was_offered() {
    for version in VERSION_MIN..=VERSION_MAX {
        let scene = Scene::new(&answer(version, 0x41, 0x10_0800));
        let terms = scene.client.terms();
        assert_eq!(terms.version(), version);
        assert!(terms.allows(ACTION_ADD_HEADER) && terms.allows(ACTION_CHANGE_SENDER));
        assert!(!terms.allows(ACTION_CHANGE_BODY));
        assert!(terms.wants_rejected_recipients() && terms.has_leading_space());
    }
    let offer = FilterOffer {
        version: 4,
        actions: 0x3,
        protocol: 0x7f,
    };
    assert_eq!(wrong(offer, &answer(6, 0, 0)), MilterError::Version(6));
    assert_eq!(wrong(offer, &answer(1, 0, 0)), MilterError::Version(1));
    assert_eq!(wrong(offer, &answer(0, 0, 0)), MilterError::Version(0));
    assert_eq!(wrong(offer, &answer(4, 5, 0)), MilterError::Actions(4));
    assert_eq!(
        wrong(offer, &answer(4, 0, 0x81)),
        MilterError::Protocol(0x80)
    );
    assert_eq!(
        wrong(offer, &packet(b'c', b"")),
        MilterError::NoNegotiation(b'c')
    );
    let lists = [&answer(4, 0, 0)[4..], b"\0\0\0\0j\0"].concat();
    assert_eq!(
        wrong(offer, &packet(b'O', &lists[1..])),
        MilterError::Actions(ACTION_MACRO_LISTS)
    );
    let whole = answer(4, 0, 0);
    for end in 5..whole.len() {
        let error = wrong(offer, &packet(b'O', &whole[5..end]));
        assert_eq!(error, MilterError::Arguments(b'O'), "{end}");
    }
}

fn with_lists(lists: &[u8]) -> Vec<u8> {
    packet(b'O', &[&answer(6, 0x100, 0)[5..], lists].concat())
}

#[test]
fn a_filter_is_told_the_macros_that_it_wants() {
    let lists = b"\0\0\0\0v, j {nothing},{client_addr}\0\0\0\0\x01\0\0\0\0\x09x\0\0\0\0\x04{i}\0\0\0\0\x05x\0\0\0\0\x05j\0";
    let mut scene = Scene::new(&with_lists(lists));
    for (name, value) in [
        ("j", "mx"),
        ("v", "1"),
        ("client_addr", "::1"),
        ("i", "Q"),
        ("cipher", "C"),
    ] {
        scene.macros.set(name, value.as_bytes());
    }
    let mut told = |step| {
        let written = scene.tell(step).1;
        scene.say(&packet(b'c', b"")).unwrap();
        written
            .into_iter()
            .filter(|it| it.starts_with('D'))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(PEER),
        [r"DCv\x001\x00j\x00mx\x00{client_addr}\x00::1\x00"]
    );
    // A list that is empty is none; the last one counts, and unknown stages do not.
    assert_eq!(told(FilterStep::Hello(b"x")), [r"DH{cipher}\x00C\x00"]);
    assert_eq!(told(FilterStep::Data), [r"DT{i}\x00Q\x00"]);
    assert_eq!(told(FilterStep::EndOfHeader), [r"DNi\x00Q\x00"]);
    assert_eq!(told(FilterStep::EndOfMessage), [r"DEj\x00mx\x00"]);
}

#[test]
fn lists_of_macros_are_whole_and_bounded() {
    for lists in [&b"\0\0\0"[..], b"\0\0\0\0", b"\0\0\0\0j", b"\0\0\0\0j\0\0"] {
        let error = wrong(FilterOffer::default(), &with_lists(lists));
        assert_eq!(error, MilterError::Arguments(b'O'));
    }
    let list = |length: usize| [b"\0\0\0\0", &b"j ".repeat(length / 2)[..], b"\0"].concat();
    Scene::new(&with_lists(&list(MACRO_LIST_BYTES_MAX)));
    let error = wrong(
        FilterOffer::default(),
        &with_lists(&list(MACRO_LIST_BYTES_MAX + 2)),
    );
    assert_eq!(error, MilterError::MacroList);
    // What is told is bounded, too.
    let mut macros = FilterMacros::default();
    macros.set("j", &[b'x'; 1000]);
    let mut out = BytesMut::new();
    let names = list(MACRO_LIST_BYTES_MAX);
    assert!(macros.write(
        StepKind::Connect,
        &names[4..names.len() - 1],
        false,
        &mut out
    ));
    assert!(out.len() > 31_000 && out.len() < 33_000, "{}", out.len());
    assert_eq!(shown(&out).len(), 1);
}
