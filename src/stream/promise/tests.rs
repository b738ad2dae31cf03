use super::*;

const FINE: &str = r#"{"name":"MAIL","subjects":["mail.>"],"retention":"workqueue","max_consumers":-1,"max_msgs":-1,"max_bytes":1073741824,
    "max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"new","storage":"file","num_replicas":3,
    "duplicate_window":600000000000,"sealed":false,"deny_delete":false,"deny_purge":false}"#;

/// A stream of the configuration in which `from` became `to`.
fn report(from: &str, to: &str) -> StreamReport {
    let text = FINE.replace(from, to);
    assert!(from.is_empty() || text != FINE, "{from} is not there");
    StreamReport {
        config: JsonValue::parse(text.as_bytes()).unwrap(),
        has_leader: true,
        replicas: Vec::new(),
    }
}

/// What is said to such a configuration.
fn refusal(from: &str, to: &str) -> Result<(), String> {
    check_stream(&report(from, to))
}

#[test]
fn what_is_delivered_has_to_leave_the_stream() {
    let check = |from, to| check_delivered_stream(&report(from, to));
    assert_eq!(check("\"num_replicas\":3", "\"num_replicas\":1"), Ok(()));
    for retention in ["\"limits\"", "\"interest\"", "null"] {
        let text = check("\"workqueue\"", retention).unwrap_err();
        assert!(text.contains("retention set to workqueue"), "{text}");
    }
}

#[test]
fn a_stream_that_keeps_what_it_has_to_is_fine() {
    for (from, to) in [
        ("", ""),
        ("\"num_replicas\":3", "\"num_replicas\":5"),
        ("\"workqueue\"", "\"limits\""),
        ("[\"mail.>\"]", "[\"other.>\",\"mail.>\"]"),
        ("[\"mail.>\"]", "[\">\"]"),
        ("[\"mail.>\"]", "[\"*.>\"]"),
        ("\"max_msg_size\":-1", "\"max_msg_size\":69632"),
        ("\"max_msgs_per_subject\":-1", "\"max_msgs_per_subject\":0"),
        ("600000000000", "60000000000"),
        (
            "\"sealed\":false",
            "\"mirror\":null,\"persist_mode\":\"default\"",
        ),
    ] {
        assert_eq!(refusal(from, to), Ok(()), "{to}");
    }
}

#[test]
fn each_refusal_names_what_is_to_be_set() {
    for (from, to, word) in [
        ("\"num_replicas\":3", "\"num_replicas\":1", "num_replicas"),
        ("\"num_replicas\":3", "\"x\":3", "num_replicas"),
        ("\"file\"", "\"memory\"", "file"),
        ("\"workqueue\"", "\"interest\"", "retention"),
        ("\"new\"", "\"old\"", "discard"),
        ("\"max_age\":0", "\"max_age\":1", "max_age"),
        (
            "\"max_msgs_per_subject\":-1",
            "\"max_msgs_per_subject\":1",
            "max_msgs_per_subject",
        ),
        ("\"sealed\":false", "\"no_ack\":true", "no_ack"),
        ("\"sealed\":false", "\"sealed\":true", "sealed"),
        ("\"sealed\":false", "\"mirror\":{\"name\":\"A\"}", "mirror"),
        (
            "\"sealed\":false",
            "\"sources\":[{\"name\":\"A\"}]",
            "sources",
        ),
        (
            "\"deny_delete\":false",
            "\"deny_delete\":true",
            "deny_delete",
        ),
        ("\"deny_purge\":false", "\"deny_purge\":true", "deny_purge"),
        (
            "\"sealed\":false",
            "\"persist_mode\":\"async\"",
            "persist_mode",
        ),
        ("600000000000", "59999999999", "duplicate_window"),
        ("[\"mail.>\"]", "[\"mail.message.>\"]", "mail.>"),
        ("[\"mail.>\"]", "[\"mail.*\",\"mail\"]", "mail.>"),
        ("[\"mail.>\"]", "null", "mail.>"),
        (
            "\"max_msg_size\":-1",
            "\"max_msg_size\":69631",
            "max_msg_size",
        ),
    ] {
        let text = refusal(from, to).unwrap_err();
        assert!(text.contains(word), "{text}: {word}");
    }
}

fn replica(name: &str, is_offline: bool) -> StreamReplica {
    let name = name.into();
    StreamReplica {
        name,
        is_offline,
        is_silent: false,
        is_late: false,
    }
}

fn word(name: &str, syncs_always: bool, payload_bytes_max: usize) -> MonitorFacts {
    MonitorFacts {
        server: name.into(),
        syncs_always,
        payload_bytes_max,
    }
}

#[test]
fn each_replica_that_can_acknowledge_has_to_sync_always() {
    let now = Instant::now();
    let replicas = [
        replica("n0", false),
        replica("n1", false),
        replica("n2", true),
    ];
    let mut words = ServerWords::new();
    let check = |words: &ServerWords, later| check_sync(&replicas, words, now + later);
    let soon = Duration::from_secs(1);
    words.insert("n0".into(), (now, word("n0", true, MESSAGE_BYTES_MIN)));
    let unknown = SyncVerdict::Unknown(vec!["n1".into()]);
    assert_eq!(check(&words, soon), unknown);
    words.insert("n1".into(), (now, word("n1", true, MESSAGE_BYTES_MIN)));
    assert_eq!(check(&words, soon), SyncVerdict::Kept);
    let unknown = SyncVerdict::Unknown(vec!["n0".into(), "n1".into()]);
    assert_eq!(check(&words, WORD_AGE_MAX), unknown);
    // One that the leader has not heard of acknowledges nothing meanwhile, and is given time to be known as dead.
    let late = replicas.clone().map(|replica| StreamReplica {
        is_late: true,
        ..replica
    });
    let check_late = |words: &ServerWords, later| check_sync(&late, words, now + later);
    assert_eq!(check_late(&words, WORD_AGE_MAX), SyncVerdict::Kept);
    assert_eq!(check_late(&words, LATE_WORD_AGE_MAX), unknown);
    // One that is offline acknowledges nothing, whatever it said.
    words.insert("n2".into(), (now, word("n2", false, 0)));
    assert_eq!(check(&words, soon), SyncVerdict::Kept);
    for facts in [
        word("n1", false, MESSAGE_BYTES_MIN),
        word("n1", true, MESSAGE_BYTES_MIN - 1),
    ] {
        words.insert("n1".into(), (now, facts));
        let SyncVerdict::Broken(text) = check(&words, soon) else {
            panic!("n1 breaks it");
        };
        assert!(text.contains("the server n1"), "{text}");
    }
}
