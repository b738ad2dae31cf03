//! The options of filters: what is said of those that are wrong.

use std::process::{Command, Output};

/// What `mailoop serve --check` says of these options.
fn check(options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.args(["serve", "--check"]).env_clear();
    command.current_dir(std::env::temp_dir());
    command.args(options).output().unwrap()
}

#[test]
fn what_is_no_filter_is_refused_with_what_would_be_right() {
    for (options, code, told) in [
        (
            &["--milter", "localhost:11332"][..],
            64,
            "write inet:HOST:PORT",
        ),
        (
            &["--milter-submission", "inet:8891@localhost"],
            64,
            "write inet:HOST:PORT",
        ),
        (
            &["--milter-default", "discard"],
            64,
            "write tempfail, accept or reject",
        ),
        (
            &["--milter-content-timeout", "soon"],
            64,
            "--milter-content-timeout",
        ),
        (
            &["--milter", "inet:no.such.host.invalid:1"],
            78,
            "inet:no.such.host.invalid:1",
        ),
    ] {
        let output = check(options);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn options_without_a_filter_make_no_difference_and_that_is_said() {
    let output = check(&["--milter-default", "accept"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("--milter-default makes no difference"),
        "{said}"
    );
}
