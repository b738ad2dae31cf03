use super::*;

fn printed(picture: QueuePicture, lines: &[&str]) -> String {
    let mut printer = QueuePrinter::with(Vec::new(), picture, 1000);
    let taken = lines.iter().try_for_each(|line| printer.take_line(line));
    assert!(taken.is_ok() && printer.finish().is_ok());
    String::from_utf8_lossy(&printer.out).into_owned()
}

#[test]
fn a_filter_that_wanted_a_mail_held_has_said_why() {
    let lines = [
        "mail id=Q000000070001 size=512 queued=700 sender=ada@example.org quarantine=looks%20%1B[2Jodd",
        "recipient state=held tries=0 address=bob@far.example reply=",
        "recipient state=waiting tries=0 address=carl@far.example reply=",
    ];
    assert_eq!(
        printed(QueuePicture::List, &lines),
        "Q000000070001 512 5m <ada@example.org> waiting\n  \
           <bob@far.example> held: quarantine: looks ?[2Jodd\n  <carl@far.example> waiting\n"
    );
    let json = printed(QueuePicture::Json, &lines[..2]);
    assert!(
        json.ends_with("\"queued\":700,\"quarantine\":\"looks \\u001b[2Jodd\"}\n"),
        "{json}"
    );
    let whole = printed(QueuePicture::Whole, &lines[..2]);
    assert!(
        whole.contains("\n  size: 512\n  quarantine: looks ?[2Jodd\n"),
        "{whole}"
    );
}

const LINES: [&str; 6] = [
    "mail id=Q000000070001 size=512 queued=700 sender=ada@example.org fact.user=ada",
    "recipient state=held tries=0 address=%22b%20c%22@far.example reply=",
    "recipient state=waiting tries=3 address=bob@far.example next=1240 reply=451%204.7.1%20%1B[2J%22later%22",
    "mail id=Q000000070002 size=7 queued=999 sender=",
    "recipient state=active tries=1 next=900 reply=x",
    "novelty x=1",
];

#[test]
fn a_list_is_for_a_person() {
    assert_eq!(
        printed(QueuePicture::List, &LINES),
        "Q000000070001 512 5m <ada@example.org> waiting\n  \
           <\"b c\"@far.example> held\n  \
           <bob@far.example> waiting, tries 3, next in 4m: 451 4.7.1 ?[2J\"later\"\n\
         Q000000070002 7 1s <> active\n  \
           ? active, tries 1, next now: x\n"
    );
    assert_eq!(printed(QueuePicture::List, &[]), "");
}

#[test]
fn json_is_for_a_program() {
    assert_eq!(
        printed(QueuePicture::Json, &LINES),
        "{\"id\":\"Q000000070001\",\"from\":\"ada@example.org\",\"to\":[\
         {\"address\":\"\\\"b c\\\"@far.example\",\"state\":\"held\",\"tries\":0,\"next\":null,\"reply\":\"\"},\
         {\"address\":\"bob@far.example\",\"state\":\"waiting\",\"tries\":3,\"next\":1240,\
         \"reply\":\"451 4.7.1 \\u001b[2J\\\"later\\\"\"}],\"size\":512,\"queued\":700}\n\
         {\"id\":\"Q000000070002\",\"from\":\"\",\"to\":[{\"address\":null,\"state\":\"active\",\"tries\":1,\"next\":900,\
         \"reply\":\"x\"}],\"size\":7,\"queued\":999}\n"
    );
}

#[test]
fn one_mail_is_shown_whole() {
    let header = ["header line=Subject:%20a%09b", "header line=%20c"];
    let lines = [&LINES[..1], &LINES[2..3], &header].concat();
    assert_eq!(
        printed(QueuePicture::Whole, &lines),
        "Q000000070001: waiting\n  from: <ada@example.org>\n  queued: 1970-01-01T00:11:40Z, 5m ago\n  size: 512\n  \
         user: ada\n<bob@far.example>: waiting, tries 3, next in 4m\n  reply: 451 4.7.1 ?[2J\"later\"\n\n\
         Subject: a b\n c\n"
    );
}

#[test]
fn sites_and_changes_are_shown() {
    let site = "site name=smtp://mx.far.example state=down waiting=12 ready=0 active=0 held=0 connections=0 window=2 until=1240 policy=sts error=4%20x";
    assert_eq!(
        printed(QueuePicture::Sites, &[site]),
        "STATE      WAITING READY ACTIVE HELD CONNECTIONS OLDEST TLS     SITE\n\
         down 4m         12     0      0    0         0/2      - sts     smtp://mx.far.example\n           4 x\n"
    );
    let changed = "changed messages=1 recipients=2 active=0";
    assert_eq!(
        printed(
            QueuePicture::Changed(QueueAction::Hold),
            &[changed, changed]
        ),
        "held: 2 messages, 4 recipients\n"
    );
    let late = "changed messages=1 recipients=2 active=1";
    let deleted = printed(QueuePicture::Changed(QueueAction::Delete), &[late]);
    assert!(deleted.starts_with("deleted: 1 message, 2 recipients\n1 of these is being sent: "));
}
