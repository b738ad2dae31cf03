//! `mailoop send` under TLS, against scripted servers on real sockets.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::common::client::read_some;
use crate::common::peer::{FRIENDLY, Peer, options, sent, serve};
use mailoop::tools::encryption::{Encryption, Start};
use mailoop::tools::send::SendOptions;
use mailoop::tools::tls::Trust;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

type Secured = Peer<StreamOwned<ServerConnection, TcpStream>>;

/// What a server shows, and the file that a client may be given to believe it.
struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    folder: TempDir,
}

impl Identity {
    /// One for `localhost`, which an authority has signed that only its file names, after `change` was made.
    fn new(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority = parameters.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(parameters, authority_key);
        Self::signed(change, |parameters, key| {
            let certificate = parameters.signed_by(key, &issuer).unwrap();
            (certificate.der().clone(), authority)
        })
    }

    /// One that nobody but itself vouches for.
    fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::signed(change, |parameters, key| {
            let certificate = parameters.self_signed(key).unwrap();
            (certificate.der().clone(), certificate.pem())
        })
    }

    fn signed(
        change: impl FnOnce(&mut CertificateParams),
        sign: impl FnOnce(&CertificateParams, &KeyPair) -> (CertificateDer<'static>, String),
    ) -> Self {
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        let (certificate, vouching) = sign(&parameters, &key);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), vouching).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Self {
            certificate,
            key,
            folder,
        }
    }

    /// One of X.509 version 1, as `openssl x509 -req -signkey` makes it.
    fn of_version_1() -> Self {
        let pem = include_bytes!("../tls/version1.pem");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), pem).unwrap();
        Self {
            certificate: CertificateDer::from_pem_slice(pem).unwrap(),
            key: PrivateKeyDer::from_pem_slice(pem).unwrap(),
            folder,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn config(&self, version: &'static rustls::SupportedProtocolVersion) -> Arc<ServerConfig> {
        // Whatever the certificate is, and whether its key fits.
        let key = any_supported_type(&self.key).unwrap();
        let shown = CertifiedKey::new(vec![self.certificate.clone()], key);
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        Arc::new(config)
    }

    /// A server that follows `clear` in the clear, then `script` under TLS.
    fn serves<F, G>(&self, clear: F, script: G) -> (String, JoinHandle<Vec<String>>)
    where
        F: FnOnce(&mut Peer<TcpStream>) + Send + 'static,
        G: FnOnce(&mut Secured) + Send + 'static,
    {
        self.serves_by(&rustls::version::TLS13, clear, script)
    }

    fn serves_by<F, G>(
        &self,
        version: &'static rustls::SupportedProtocolVersion,
        clear: F,
        script: G,
    ) -> (String, JoinHandle<Vec<String>>)
    where
        F: FnOnce(&mut Peer<TcpStream>) + Send + 'static,
        G: FnOnce(&mut Secured) + Send + 'static,
    {
        let config = self.config(version);
        let (address, server) = serve(move |peer| {
            clear(peer);
            assert_eq!(peer.stream.buffer(), b"", "the client waits for TLS");
            let stream = peer.stream.get_ref().try_clone().unwrap();
            let session = ServerConnection::new(config).unwrap();
            let mut secured = Peer {
                stream: BufReader::new(StreamOwned::new(session, stream)),
                heard: std::mem::take(&mut peer.heard),
            };
            script(&mut secured);
            peer.heard = secured.heard;
        });
        (address.replace("127.0.0.1", "localhost"), server)
    }
}

/// Takes the message, and has the client take its leave.
fn take(peer: &mut Secured) {
    peer.converse(&FRIENDLY);
    peer.say("221 Bye");
    let farewell = read_some(&mut peer.stream, &mut [0]);
    assert_eq!(farewell.unwrap(), 0, "a close_notify");
}

fn encrypted(server: &str, start: Start, trust: Trust) -> SendOptions {
    SendOptions {
        encryption: Some(Encryption {
            start,
            trust: Rc::new(trust),
        }),
        ..options(server)
    }
}

fn at_once(server: &str, trust: Trust) -> SendOptions {
    encrypted(server, Start::AtOnce, trust)
}

fn by_command(server: &str, trust: Trust) -> SendOptions {
    encrypted(server, Start::ByCommand, trust)
}

/// In the clear up to the reply that begins TLS.
fn offer(peer: &mut Peer<TcpStream>) {
    peer.converse(&["220 Hi", "250-Hello\r\n250 STARTTLS"]);
    assert_eq!(peer.heard.last().unwrap(), "STARTTLS");
    peer.say("220 Go");
}

/// Says nothing until the client is gone.
fn listen(peer: &mut Peer<TcpStream>) {
    while read_some(&mut peer.stream, &mut [0; 512]).is_ok_and(|bytes| bytes > 0) {}
}

#[test]
fn a_message_goes_under_tls_of_either_version() {
    let identity = Identity::new(|_| {});
    for version in rustls::ALL_VERSIONS {
        let (server, heard) = identity.serves_by(version, |_| {}, take);
        let trust = Trust::Authorities(identity.file());
        let mut options = at_once(&server, trust.clone());
        options.verbose = true;
        let (code, error, dialogue) = sent(&options);
        assert_eq!((code, error.as_str()), (0, ""));
        assert!(dialogue.starts_with("S: 220 Hi\nC: EHLO "), "{dialogue}");
        assert!(heard.join().unwrap().contains(&"..body".to_owned()));

        let (server, heard) = identity.serves_by(version, offer, |peer| {
            assert!(peer.hear());
            peer.converse(&FRIENDLY[1..]);
            peer.say("221 Bye");
        });
        let (code, error, _) = sent(&by_command(&server, trust));
        assert_eq!((code, error.as_str()), (0, ""));
        let heard = heard.join().unwrap();
        let verbs: Vec<&str> = heard.iter().filter_map(|line| line.get(..4)).collect();
        assert_eq!(verbs[..4], ["EHLO", "STAR", "EHLO", "MAIL"]);
        assert!(heard.contains(&"..body".to_owned()));
    }
}

#[test]
fn a_certificate_has_to_be_good() {
    let year = |year| rcgen::date_time_ymd(year, 1, 1);
    let good = || Identity::new(|_| {});
    let old = Identity::new(|parameters| {
        (parameters.not_before, parameters.not_after) = (year(2000), year(2001));
    });
    let early = Identity::new(|parameters| parameters.not_before = year(4000));
    let elsewhere = Identity::new(|parameters| {
        *parameters = CertificateParams::new(["mx.example.org".to_owned()]).unwrap();
    });
    let itself = Identity::self_signed(|_| {});
    let stranger = good();
    for (identity, listed, words) in [
        (
            good(),
            None,
            "vouched for by nobody we trust; name who does with --tls-ca",
        ),
        (
            good(),
            Some(stranger.file()),
            "vouched for by nobody we trust",
        ),
        (old, None, "has expired"),
        (early, None, "not valid yet"),
        (
            elsewhere,
            None,
            "not for localhost, but for mx.example.org; use that name",
        ),
        (
            itself,
            Some(stranger.file()),
            "vouched for by nobody we trust",
        ),
    ] {
        // Without another file it is the one that vouches for it, unless that is what is wrong.
        let trust = match listed {
            Some(path) => Trust::Authorities(path),
            None if words.contains("--tls-ca") => Trust::Authorities(stranger.file()),
            None => Trust::Authorities(identity.file()),
        };
        for (start, clear) in [
            (Start::AtOnce, (|_| {}) as fn(&mut Peer<TcpStream>)),
            (Start::ByCommand, offer),
        ] {
            let (server, heard) = identity.serves(clear, |peer| {
                assert!(!peer.hear(), "nothing is said to a stranger");
            });
            let (code, error, _) = sent(&encrypted(&server, start, trust.clone()));
            assert!(code == 69 && error.contains(words), "{code} {error}");
            assert!(
                error.contains(&server) && error.contains("--insecure"),
                "{error}"
            );
            assert!(
                !heard
                    .join()
                    .unwrap()
                    .iter()
                    .any(|line| line.starts_with("MAIL"))
            );

            let (server, heard) = identity.serves(clear, move |peer| {
                if start == Start::ByCommand {
                    assert!(peer.hear());
                    peer.converse(&FRIENDLY[1..]);
                } else {
                    peer.converse(&FRIENDLY);
                }
            });
            let (code, error, _) = sent(&encrypted(&server, start, Trust::Anybody));
            assert_eq!((code, error.as_str()), (0, ""));
            heard.join().unwrap();
        }
    }
}

#[test]
fn the_machine_does_not_trust_whom_a_test_has_made() {
    let identity = Identity::new(|_| {});
    let (server, heard) = identity.serves(|_| {}, |peer| assert!(!peer.hear()));
    let (code, error, _) = sent(&at_once(&server, Trust::Machine));
    assert!(code == 69 && error.contains("--tls-ca"), "{code} {error}");
    // A machine that trusts nobody says so before it connects.
    if error.contains("install") {
        drop(TcpStream::connect(server));
    }
    let _ = heard.join();
}

#[test]
fn a_server_may_be_listed_itself() {
    let authority = |parameters: &mut CertificateParams| {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    for identity in [
        Identity::self_signed(|_| {}),
        Identity::self_signed(authority),
    ] {
        let trust = Trust::Authorities(identity.file());
        let (server, heard) = identity.serves(|_| {}, take);
        assert_eq!(sent(&at_once(&server, trust.clone())).1, "");
        heard.join().unwrap();

        let (server, heard) = identity.serves(|_| {}, |peer| assert!(!peer.hear()));
        let server = server.replace("localhost", "127.0.0.1");
        let (code, error, _) = sent(&at_once(&server, trust));
        assert!(
            code == 69 && error.contains("is not for 127.0.0.1, but for localhost"),
            "{code} {error}"
        );
        heard.join().unwrap();
    }
}

#[test]
fn nobody_connects_without_somebody_to_trust() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "nothing\n").unwrap();
    for (path, code, words) in [
        (folder.path().join("none.pem"), 74, "cannot read"),
        (empty, 65, "holds no certificate"),
    ] {
        let shown = path.display().to_string();
        let (exit, error, _) = sent(&at_once("127.0.0.1:1", Trust::Authorities(path)));
        assert!(
            exit == code && error.contains(words) && error.contains(&shown),
            "{error}"
        );
    }
    let (exit, error, _) = sent(&at_once("a b:1", Trust::Anybody));
    assert!(
        exit == 65 && error.contains("no certificate can be for a b:1"),
        "{error}"
    );
}

#[test]
fn without_starttls_nothing_goes_out() {
    for reply in ["250 Hello", "250-Hello\r\n250 SIZE 9"] {
        let (server, heard) = serve(move |peer| peer.converse(&["220 Hi", reply, "221 Bye"]));
        let (code, error, _) = sent(&by_command(&server, Trust::Anybody));
        assert!(
            code == 69 && error.contains("offers no STARTTLS"),
            "{code} {error}"
        );
        let heard = heard.join().unwrap();
        assert_eq!(heard[1..], ["QUIT", ""]);
    }
    for (reply, expected) in [("454 Later", 75), ("501 No", 65)] {
        let (server, heard) = serve(move |peer| {
            peer.converse(&["220 Hi", "250-Hello\r\n250 STARTTLS", reply, "221 Bye"]);
        });
        let (code, error, _) = sent(&by_command(&server, Trust::Anybody));
        assert!(code == expected && error.contains(reply), "{code} {error}");
        assert_eq!(heard.join().unwrap()[1..], ["STARTTLS", "QUIT", ""]);
    }
}

#[test]
fn what_is_said_in_the_clear_behind_the_reply_is_an_attack() {
    let (server, heard) = serve(|peer| {
        peer.converse(&["220 Hi", "250-Hello\r\n250 STARTTLS"]);
        peer.say("220 Go\r\n250-Hello\r\n250 AUTH PLAIN");
        assert!(!peer.hear());
    });
    let (code, error, _) = sent(&by_command(&server, Trust::Anybody));
    assert!(
        code == 69 && error.contains("in the clear behind its reply to STARTTLS"),
        "{error}"
    );
    heard.join().unwrap();
}

#[test]
fn a_server_without_tls_is_told_as_that() {
    for start in [Start::AtOnce, Start::ByCommand] {
        let (server, heard) = serve(move |peer| {
            if start == Start::ByCommand {
                offer(peer);
            }
            // The record of the client has begun: what follows now is no injection, but no TLS either.
            peer.stream.read_exact(&mut [0]).unwrap();
            peer.say("220 Hi");
            listen(peer);
        });
        let (code, error, _) = sent(&encrypted(&server, start, Trust::Anybody));
        assert!(
            code == 69 && error.contains("does not speak TLS"),
            "{code} {error}"
        );
        heard.join().unwrap();
    }
}

#[test]
fn a_cut_matters_until_the_message_is_decided() {
    let identity = Identity::new(|_| {});
    for decided in [false, true] {
        for announced in [false, true] {
            let (server, heard) = identity.serves(
                |_| {},
                move |peer| {
                    peer.converse(if decided { &FRIENDLY } else { &FRIENDLY[..3] });
                    let stream = peer.stream.get_mut();
                    if announced {
                        stream.conn.send_close_notify();
                        stream.flush().unwrap();
                    }
                },
            );
            let (code, error, _) = sent(&at_once(&server, Trust::Anybody));
            if decided {
                assert_eq!((code, error.as_str()), (0, ""));
            } else {
                let words = if announced {
                    "closed the connection"
                } else {
                    "was cut"
                };
                assert!(code == 75 && error.contains(words), "{code} {error}");
            }
            heard.join().unwrap();
        }
    }
}

#[test]
fn a_certificate_of_version_1_is_told_in_words_where_it_is_looked_at() {
    let identity = Identity::of_version_1();
    let (server, heard) = identity.serves(
        |_| {},
        |peer| {
            peer.hear();
        },
    );
    let trust = Trust::Authorities(identity.file());
    let (code, error, _) = sent(&at_once(&server, trust));
    assert!(
        code == 69 && error.contains("its certificate is of X.509 version 1"),
        "{code} {error}"
    );
    let _ = heard.join();
    for version in rustls::ALL_VERSIONS {
        let (server, heard) = identity.serves_by(version, |_| {}, take);
        let (code, error, _) = sent(&at_once(&server, Trust::Anybody));
        assert_eq!((code, error.as_str()), (0, ""));
        heard.join().unwrap();
    }
}

#[test]
fn a_handshake_that_breaks_off_may_be_tried_again() {
    let (server, heard) = serve(|peer| peer.stream.read_exact(&mut [0; 5]).unwrap());
    let (code, error, _) = sent(&at_once(&server, Trust::Anybody));
    assert!(
        code == 75 && error.contains("handshake broke off"),
        "{code} {error}"
    );
    heard.join().unwrap();

    let (server, heard) = serve(listen);
    let mut options = at_once(&server, Trust::Anybody);
    options.timeout = Duration::from_millis(100);
    let (code, error, _) = sent(&options);
    assert!(
        code == 75 && error.contains("no progress for 0.1 s"),
        "{code} {error}"
    );
    heard.join().unwrap();
}

#[test]
fn a_large_message_reaches_a_slow_server_whole() {
    let identity = Identity::new(|_| {});
    let (server, heard) = identity.serves(
        |_| {},
        |peer| {
            peer.converse(&FRIENDLY[..4]);
            peer.say("354 Go");
            thread::sleep(Duration::from_millis(200));
            peer.hear_message(".");
            peer.say("250 Ok");
            assert!(peer.hear());
        },
    );
    let mut options = at_once(&server, Trust::Anybody);
    options.message = b"0123456789abcdef\n".repeat(500_000);
    assert_eq!(sent(&options).1, "");
    let heard = heard.join().unwrap();
    let lines = heard.iter().filter(|line| *line == "0123456789abcdef");
    assert_eq!(lines.count(), 500_000);
}

#[test]
fn what_waits_for_room_is_not_forgotten() {
    let identity = Identity::new(|_| {});
    let folder = tempfile::tempdir().unwrap();
    // Somewhere among these sizes the socket is full while only rustls still holds the end of the message.
    for kib in (64..=512).step_by(32) {
        let path = folder.path().join(kib.to_string());
        let listener = UnixListener::bind(&path).unwrap();
        let session = ServerConnection::new(identity.config(&rustls::version::TLS13)).unwrap();
        let server = thread::spawn(move || {
            let stream = StreamOwned::new(session, listener.accept().unwrap().0);
            let mut peer = Peer {
                stream: BufReader::new(stream),
                heard: Vec::new(),
            };
            peer.converse(&FRIENDLY[..4]);
            peer.say("354 Go");
            thread::sleep(Duration::from_millis(50));
            peer.hear_message(".");
            peer.say("250 Ok");
            peer.heard.len()
        });
        let mut options = at_once(
            &format!("unix:{}", path.display()),
            Trust::Authorities(identity.file()),
        );
        options.message = b"0123456789abcde\n".repeat(kib * 64);
        options.timeout = Duration::from_secs(60);
        assert_eq!(sent(&options).1, "", "{kib} KiB");
        assert!(server.join().unwrap() > kib * 64);
    }
}

#[test]
fn a_refusal_amid_a_large_message_is_heard() {
    let identity = Identity::new(|_| {});
    let (server, heard) = identity.serves(
        |_| {},
        |peer| {
            peer.converse(&FRIENDLY[..4]);
            peer.say("354 Go");
            for _ in 0..100 {
                peer.hear();
            }
            peer.say("552 Too much");
        },
    );
    let mut options = at_once(&server, Trust::Anybody);
    options.message = b"0123456789abcdef\n".repeat(1_000_000);
    let (code, error, _) = sent(&options);
    assert!(
        code == 65 && error.contains("552 Too much"),
        "{code} {error}"
    );
    heard.join().unwrap();
}

/// What a client binds its login to: its name of that, and the octets.
#[cfg(feature = "auth")]
fn bound(peer: &mut Secured) -> (String, Vec<u8>) {
    use mailoop::smtp::auth::text::{from_base64, to_base64};
    let decoded = |line: &String| from_base64(line.rsplit(' ').next().unwrap().as_bytes()).unwrap();

    peer.converse(&["220 Hi", "250-Hello\r\n250 AUTH SCRAM-SHA-256-PLUS"]);
    let first = String::from_utf8(decoded(peer.heard.last().unwrap())).unwrap();
    let (flag, bare) = first.split_once(",,").unwrap();
    let (_, nonce) = bare.split_once(",r=").unwrap();
    let challenge = to_base64(format!("r={nonce}x,s=c2FsdA==,i=4096").as_bytes());
    peer.converse(&[&format!("334 {challenge}")]);
    let last = String::from_utf8(decoded(peer.heard.last().unwrap())).unwrap();
    let binding = last.strip_prefix("c=").unwrap().split(',').next().unwrap();
    let binding = from_base64(binding.as_bytes()).unwrap();
    peer.converse(&["535 No", "221 Bye"]);
    let octets = binding.strip_prefix(format!("{flag},,").as_bytes());
    (flag.to_owned(), octets.unwrap().to_owned())
}

#[cfg(feature = "auth")]
#[test]
fn a_login_is_bound_to_the_session_or_to_the_certificate() {
    use mailoop::smtp::auth::scram::sha256;
    use mailoop::smtp::sasl::SASL;

    let identity = Identity::new(|_| {});
    for version in rustls::ALL_VERSIONS {
        let certificate = identity.certificate.clone();
        let check = move |peer: &mut Secured| {
            let bound = bound(peer);
            let session = &peer.stream.get_ref().conn;
            let expected = if session.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
                let label = b"EXPORTER-Channel-Binding";
                let exported = session.export_keying_material([0; 32], label, Some(b""));
                ("p=tls-exporter", exported.unwrap())
            } else {
                ("p=tls-server-end-point", sha256(&certificate))
            };
            assert_eq!(
                (bound.0.as_str(), bound.1),
                (expected.0, expected.1.to_vec())
            );
        };
        let (server, heard) = identity.serves_by(version, |_| {}, check);
        let options = SendOptions {
            login: SASL.and_then(|sasl| (sasl.credentials)("ada", "pencil")),
            ..at_once(&server, Trust::Authorities(identity.file()))
        };
        let (code, error, _) = sent(&options);
        assert!(code == 65 && error.contains("535 No"), "{code} {error}");
        heard.join().unwrap();
    }
}
