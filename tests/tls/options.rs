//! Mistakes about certificates: each is told in one line, with what is wrong and where.

use std::fs;
use std::process::Command;

use super::common::tls::certificate_and_key;

/// A mistake: values of `--tls-cert`, of `--tls-key`, further options, and what is said.
type Mistake = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

const MISTAKES: [Mistake; 15] = [
    (
        &["missing"],
        &["good"],
        &[],
        "tls-cert = .*missing.*cannot read it: No such file",
    ),
    (
        &["good"],
        &["missing"],
        &[],
        "tls-key = .*missing.*cannot read it: No such file",
    ),
    (
        &["."],
        &["good"],
        &[],
        "tls-cert = .*cannot read it: Is a directory",
    ),
    (
        &["empty"],
        &["good"],
        &[],
        "tls-cert = .*empty.*there is no PEM certificate in it",
    ),
    (
        &["text"],
        &["good"],
        &[],
        "tls-cert = .*text.*there is no PEM certificate in it",
    ),
    (
        &["broken"],
        &["good"],
        &[],
        "tls-cert = .*broken.*the certificate cannot be used: ",
    ),
    (
        &["version1"],
        &["version1"],
        &[],
        "tls-cert = .*version1.*the certificate is of X.509 version 1.*make one of version 3",
    ),
    (
        &["good"],
        &["text"],
        &[],
        "tls-key = .*text.*there is no PEM private key in it",
    ),
    (
        &["good"],
        &["locked"],
        &[],
        "tls-key = .*locked.*there is no PEM private key in it, or it is encrypted",
    ),
    (
        &["good"],
        &["odd"],
        &[],
        "tls-key = .*odd.*the private key has to be RSA of",
    ),
    (
        &["good"],
        &["other"],
        &[],
        "tls-cert = .*good.*the key is not that of the certificate",
    ),
    (
        &["good"],
        &[],
        &[],
        "tls-cert = .*good.*its private key is missing: name it with --tls-key",
    ),
    (
        &["good", "other"],
        &["good"],
        &[],
        "tls-cert = .*other.*its private key is missing",
    ),
    (
        &["good"],
        &["good", "other"],
        &[],
        "tls-key = .*other.*its certificate is missing",
    ),
    (
        &["good"],
        &["good"],
        &["tls-self-signed"],
        "tls-self-signed.*it excludes --tls-cert",
    ),
];

/// Whether the parts of `pattern` between `.*` are in `text`, in this order.
fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = Some(text);
    for part in pattern.split(".*") {
        rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
    }
    rest.is_some()
}

/// What a server says that does not start, with its exit code.
fn refused(arguments: &[String]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.args(["serve", "--discard", "--listen", "127.0.0.1:0"]);
    let output = command.args(arguments).env_clear().output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn every_mistake_about_certificates_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let good = certificate_and_key("a.example");
    let (certificate, _) = good.split_once("-----BEGIN PRIVATE").unwrap();
    let broken = certificate.replacen("MII", "AAA", 1);
    let key = |kind| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
    for (name, text) in [
        ("locked", &*key("ENCRYPTED PRIVATE KEY")),
        ("odd", &key("PRIVATE KEY")),
        ("good", &*good),
        ("other", &certificate_and_key("a.example")),
        ("empty", ""),
        ("text", "some text\n"),
        ("broken", &broken),
        ("version1", include_str!("version1.pem")),
    ] {
        fs::write(path(name), text).unwrap();
    }
    for (certificates, keys, flags, message) in MISTAKES {
        let mut arguments = Vec::new();
        let mut config = "# Line 1.\n".to_owned();
        for (option, names) in [("tls-cert", certificates), ("tls-key", keys)] {
            let paths: Vec<_> = names.iter().map(|name| path(name)).collect();
            for path in &paths {
                arguments.extend([format!("--{option}"), path.clone()]);
            }
            config += &format!("{option} = {paths:?}\n");
        }
        for flag in flags {
            arguments.push(format!("--{flag}"));
            config += &format!("{flag} = true\n");
        }
        let (code, said) = refused(&arguments);
        let by_flag = format!("mailoop: --{}", message.replacen(" = ", " ", 1));
        assert!(matches(&by_flag, &said), "{by_flag}: {said}");
        // What is no mistake of the command line is one of what lies around it.
        let usage = if flags.is_empty() { 78 } else { 64 };
        assert_eq!((code, said.lines().count()), (Some(usage), 1), "{said}");

        fs::write(path("mailoop.toml"), config).unwrap();
        let (code, said) = refused(&["--config".to_owned(), path("mailoop.toml")]);
        let line = match message {
            _ if message.starts_with("tls-cert") => 2,
            _ if message.starts_with("tls-key") => 3,
            _ => 4,
        };
        let in_file = format!("mailoop.toml:{line}: {message}");
        assert!(matches(&in_file, &said), "{in_file}: {said}");
        assert_eq!((code, said.lines().count()), (Some(78), 1), "{said}");
    }
}

#[test]
fn a_listener_for_tls_needs_a_certificate() {
    let listen = ["--listen-tls", "127.0.0.1:0"].map(str::to_owned);
    let (code, said) = refused(&listen);
    assert_eq!((code, said.lines().count()), (Some(78), 1), "{said}");
    assert!(matches(
        "is for TLS: name a certificate with --tls-cert.*--tls-self-signed",
        &said
    ));
}
