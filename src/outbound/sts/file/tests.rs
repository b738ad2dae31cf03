use super::*;

const NOW_MS: u64 = 1_800_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

fn policy(host: &str) -> StsPolicy {
    let text = format!("version: STSv1\nmode: enforce\nmx: {host}\nmax_age: 1000");
    StsPolicy::parse(text.as_bytes()).unwrap()
}

fn known(domains: &[&str]) -> KnownPolicies {
    let mut known = KnownPolicies::default();
    for domain in domains {
        let name = HostName::parse(domain).unwrap();
        known.keep(name, "1", &policy(domain), NOW_MS);
    }
    known
}

fn domains(known: &KnownPolicies) -> Vec<String> {
    let all = known.all(NOW_MS);
    all.map(|(domain, _)| domain.to_string()).collect()
}

fn open(folder: &Path) -> (PolicyFile, KnownPolicies) {
    PolicyFile::open(Some(folder.to_owned()), NOW_MS)
}

#[test]
fn policies_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, none) = open(folder.path());
    assert!(none.is_empty());
    let kept = known(&["b.example", "a.example"]);
    file.note_change();
    file.finish(&kept, NOW_MS);
    let (mut again, read) = open(folder.path());
    assert_eq!(
        domains(&read),
        ["b.example", "a.example"],
        "in order of use"
    );
    let same: Vec<_> = kept.all(NOW_MS).collect();
    assert_eq!(read.all(NOW_MS).collect::<Vec<_>>(), same);
    let later = PolicyFile::open(Some(folder.path().to_owned()), NOW_MS + 1_000_000);
    assert!(later.1.is_empty(), "they have ended");
    // Nothing has changed, so nothing is written.
    fs::remove_file(folder.path().join(NAME)).unwrap();
    again.finish(&read, NOW_MS);
    assert!(!folder.path().join(NAME).exists());
}

#[test]
fn it_is_written_at_most_once_a_minute_and_takes_its_place_a_minute_later() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, _) = open(folder.path());
    let start = Instant::now();
    assert_eq!(file.next_wake(start), None);
    let mut kept = known(&["a.example"]);
    file.note_change();
    assert_eq!(file.next_wake(start), Some(start));
    file.tick(&kept, start, NOW_MS);
    assert!(
        open(folder.path()).1.is_empty(),
        "it may not be on the disk"
    );
    kept = known(&["b.example"]);
    file.note_change();
    let minute = start + WRITE_INTERVAL;
    assert_eq!(file.next_wake(start + SECOND), Some(minute));
    file.tick(&kept, minute - SECOND, NOW_MS);
    assert!(open(folder.path()).1.is_empty());
    file.tick(&kept, minute, NOW_MS);
    assert_eq!(domains(&open(folder.path()).1), ["a.example"]);
    assert_eq!(file.next_wake(minute), Some(minute));
    file.tick(&kept, minute, NOW_MS);
    file.tick(&kept, minute + WRITE_INTERVAL, NOW_MS);
    assert_eq!(domains(&open(folder.path()).1), ["b.example"]);
    assert_eq!(file.next_wake(minute), None);
}

#[test]
fn the_end_does_not_wait_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, _) = open(folder.path());
    file.note_change();
    file.tick(&known(&["a.example"]), Instant::now(), NOW_MS);
    file.finish(&known(&["a.example"]), NOW_MS);
    assert_eq!(domains(&open(folder.path()).1), ["a.example"]);
    assert!(!folder.path().join(NEW_NAME).exists());
}

#[test]
fn a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    fs::write(&path, "mailoop mta-sts 2\nwhatever\n").unwrap();
    let (mut file, known_of) = open(folder.path());
    assert!(known_of.is_empty());
    file.note_change();
    file.finish(&known(&["a.example"]), NOW_MS);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "mailoop mta-sts 2\nwhatever\n");
}

#[test]
fn what_is_damaged_is_read_as_far_as_it_goes_and_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    let (mut file, _) = open(folder.path());
    file.note_change();
    file.finish(&known(&["a.example", "b.example"]), NOW_MS);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let read = domains(&open(folder.path()).1);
        assert!(
            ["a.example", "b.example"]
                .starts_with(&read.iter().map(String::as_str).collect::<Vec<_>>())
        );
        assert!(read.len() < 2, "{length}");
    }
    let zeros = vec![0; whole.len()];
    let strange = [
        &b"mailoop mta-sts 1\na.example 1 x 0\n"[..],
        &zeros,
        b"",
        b"mailoop mta-sts 0\n",
    ];
    for text in strange {
        fs::write(&path, text).unwrap();
        let (mut file, none) = open(folder.path());
        assert!(none.is_empty());
        file.note_change();
        file.finish(&known(&["c.example"]), NOW_MS);
        assert_eq!(domains(&open(folder.path()).1), ["c.example"]);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let (mut file, _) = open(&missing);
    let (start, kept) = (Instant::now(), known(&["a.example"]));
    file.note_change();
    file.tick(&kept, start, NOW_MS);
    let minute = start + WRITE_INTERVAL;
    assert_eq!(file.next_wake(start), Some(minute));
    PolicyFile::make_folder(&missing).unwrap();
    PolicyFile::make_folder(&missing).unwrap();
    file.tick(&kept, minute, NOW_MS);
    file.finish(&kept, NOW_MS);
    assert_eq!(domains(&open(&missing).1), ["a.example"]);
}

#[test]
fn without_a_folder_nothing_is_written() {
    let (mut file, known) = PolicyFile::open(None, NOW_MS);
    file.note_change();
    assert_eq!(file.next_wake(Instant::now()), None);
    file.tick(&known, Instant::now(), NOW_MS);
    file.finish(&known, NOW_MS);
}
