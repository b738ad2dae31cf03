//! Zones that are signed, as on the Internet: NSD serves them, and an Unbound that trusts the topmost of them verifies what it says.
//!
//! ```ignore
//! if !installed(&SIGNED_ZONE_PROGRAMS) {
//!     return;
//! }
//! let names = SignedZones::start(&[
//!     TestZone::signed("example", "@ MX 10 mail\nmail A 192.0.2.1\n_25._tcp.mail TLSA 3 1 1 …"),
//!     TestZone::unsigned("plain.example", "@ MX 10 mail.example."),
//!     TestZone::bogus("bogus.example", "@ MX 10 mail.example."),
//! ]);
//! let unbound: SocketAddr = names.address();
//! ```

use std::fmt::Write;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::program::{foreign, run};
use super::wait_until;

/// The programs that this takes.
pub const SIGNED_ZONE_PROGRAMS: [&str; 4] = ["ldns-keygen", "ldns-signzone", "nsd", "unbound"];

/// How often another port is tried, where somebody else was faster.
const PORTS_TRIED: usize = 5;

/// A zone. One that lies below another is delegated there, with the hash of its key if it is signed.
#[derive(Clone, Copy, Debug)]
pub struct TestZone<'a> {
    name: &'a str,
    /// Lines of a zone file: a name, within the zone or absolute, a type and its data. All names are written in each line.
    records: &'a str,
    signature: Signature,
}

/// The signature of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signature {
    Good,
    Missing,
    /// That of other records: each was changed after they were signed.
    Wrong,
}

impl<'a> TestZone<'a> {
    /// A zone as its owner has signed it.
    pub fn signed(name: &'a str, records: &'a str) -> Self {
        let signature = Signature::Good;
        Self {
            name,
            records,
            signature,
        }
    }

    /// A zone that nobody has signed.
    pub fn unsigned(name: &'a str, records: &'a str) -> Self {
        let signature = Signature::Missing;
        Self {
            signature,
            ..Self::signed(name, records)
        }
    }

    /// A zone whose signatures are wrong, as where somebody has forged its records.
    pub fn bogus(name: &'a str, records: &'a str) -> Self {
        let signature = Signature::Wrong;
        Self {
            signature,
            ..Self::signed(name, records)
        }
    }

    /// The closest of these zones that it lies below.
    fn parent(&self, zones: &'a [Self]) -> Option<&'a Self> {
        let is_above = |zone: &&Self| self.name.ends_with(&format!(".{}", zone.name));
        let above = zones.iter().filter(is_above);
        above.max_by_key(|zone| zone.name.len())
    }
}

/// Both servers, on ports of the loopback interface, until this is dropped.
pub struct SignedZones {
    // Dropped in this order.
    unbound: Server,
    nsd: Server,
    folder: TempDir,
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl SignedZones {
    /// Signs these zones and serves them.
    pub fn start(zones: &[TestZone<'_>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let keys: Vec<_> = zones.iter().map(|zone| key(zone, path)).collect();
        for (zone, key) in zones.iter().zip(&keys) {
            write(zone, zones, &keys, key.as_ref(), path);
        }
        let nsd = Server::start("nsd", path, |address| nsd_config(address, zones, path));
        let unbound = Server::start("unbound", path, |address| {
            unbound_config(address, nsd.address, zones, &keys, path)
        });
        Self {
            unbound,
            nsd,
            folder,
        }
    }

    /// The address of the server that verifies, for `--dns`.
    pub fn address(&self) -> SocketAddr {
        self.unbound.address
    }

    /// The address of the server that has the zones, and verifies nothing.
    pub fn authority(&self) -> SocketAddr {
        self.nsd.address
    }

    /// What both have said of themselves, for a test that fails.
    pub fn log(&self) -> String {
        let log = |name: &str| fs::read_to_string(self.folder.path().join(name));
        let logs = [log("nsd.log"), log("unbound.log")];
        logs.map(Result::unwrap_or_default).concat()
    }
}

/// The key of a zone: the name of its files, and the hash of it that the zone above has (DS).
struct ZoneKey {
    file: String,
    hash: String,
}

fn key(zone: &TestZone<'_>, folder: &Path) -> Option<ZoneKey> {
    if zone.signature == Signature::Missing {
        return None;
    }
    let mut keygen = foreign("ldns-keygen");
    keygen.current_dir(folder);
    let file = run(keygen.args([
        "-k",
        "-a",
        "ECDSAP256SHA256",
        "-r",
        "/dev/urandom",
        zone.name,
    ]));
    let file = file.trim().to_owned();
    let hash = fs::read_to_string(folder.join(format!("{file}.ds"))).unwrap();
    let hash = hash.trim().to_owned();
    Some(ZoneKey { file, hash })
}

/// Writes the file of a zone.
fn write(
    zone: &TestZone<'_>,
    zones: &[TestZone<'_>],
    keys: &[Option<ZoneKey>],
    key: Option<&ZoneKey>,
    folder: &Path,
) {
    let name = zone.name;
    // A blank in front would stand for the name of the line before.
    let records: Vec<_> = zone.records.lines().map(str::trim).collect();
    let mut text = format!(
        "$ORIGIN {name}.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n{}\n",
        records.join("\n")
    );
    for (child, key) in zones.iter().zip(keys) {
        if child
            .parent(zones)
            .is_some_and(|parent| parent.name == name)
        {
            let child = child.name;
            writeln!(text, "{child}. NS ns.{child}.\nns.{child}. A 127.0.0.1").unwrap();
            if let Some(key) = key {
                writeln!(text, "{}", key.hash).unwrap();
            }
        }
    }
    let path = folder.join(format!("{name}.zone"));
    fs::write(&path, text).unwrap();
    let Some(key) = key else {
        return;
    };
    let signed = folder.join("signed");
    let mut signzone = foreign("ldns-signzone");
    signzone.current_dir(folder).args(["-o", name, "-f"]);
    run(signzone.arg(&signed).arg(&path).arg(&key.file));
    let mut text = fs::read_to_string(&signed).unwrap();
    if zone.signature == Signature::Wrong {
        text = text.lines().map(with_wrong_signature).collect();
    }
    fs::write(&path, text).unwrap();
}

/// Changes the first octets of a signature in base64, the last word of its line; but that of the keys, whose owner is not in doubt.
fn with_wrong_signature(line: &str) -> String {
    let mut words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    // Its owner, its time to live and its class come first.
    let is_signature = words.get(3).is_some_and(|kind| kind == "RRSIG");
    if is_signature && words[4] != "DNSKEY" {
        let signature = words.iter_mut().rfind(|word| word.len() > 80).unwrap();
        let start = if signature.starts_with("AAAA") {
            "BBBB"
        } else {
            "AAAA"
        };
        signature.replace_range(..4, start);
    }
    words.join(" ") + "\n"
}

fn nsd_config(address: SocketAddr, zones: &[TestZone<'_>], folder: &Path) -> String {
    let (ip, port, folder) = (address.ip(), address.port(), folder.display());
    let mut text = format!(
        "server:
           ip-address: {ip}@{port}
           username: \"\"
           chroot: \"\"
           zonesdir: \"{folder}\"
           zonelistfile: \"{folder}/zone.list\"
           xfrdfile: \"{folder}/xfrd.state\"
           pidfile: \"{folder}/nsd.pid\"
           database: \"\"
           server-count: 1
           rrl-ratelimit: 0
         remote-control:
           control-enable: no\n"
    );
    for TestZone { name, .. } in zones {
        writeln!(text, "zone:\n  name: {name}\n  zonefile: {name}.zone").unwrap();
    }
    text
}

fn unbound_config(
    address: SocketAddr,
    authority: SocketAddr,
    zones: &[TestZone<'_>],
    keys: &[Option<ZoneKey>],
    folder: &Path,
) -> String {
    let (ip, port, folder) = (address.ip(), address.port(), folder.display());
    let mut text = format!(
        "server:
           interface: {ip}
           port: {port}
           username: \"\"
           chroot: \"\"
           directory: \"{folder}\"
           pidfile: \"\"
           do-daemonize: no
           use-syslog: no
           num-threads: 1
           do-ip6: no
           do-not-query-localhost: no
           module-config: \"validator iterator\"
           val-log-level: 2\n"
    );
    for (zone, key) in zones.iter().zip(keys) {
        if let (None, Some(key)) = (zone.parent(zones), key) {
            writeln!(text, "  trust-anchor: \"{}\"", key.hash.replace('\t', " ")).unwrap();
        }
    }
    text += "remote-control:\n  control-enable: no\n";
    // All other names are asked there as well, and refused: nothing leaves this machine.
    for name in zones.iter().map(|zone| zone.name).chain(["."]) {
        let (ip, port) = (authority.ip(), authority.port());
        writeln!(text, "stub-zone:\n  name: {name}\n  stub-addr: {ip}@{port}").unwrap();
    }
    text
}

impl Server {
    /// Starts a server with what it is to be told of its address, on a port that is free.
    fn start(program: &str, folder: &Path, config: impl Fn(SocketAddr) -> String) -> Self {
        for _ in 0..PORTS_TRIED {
            let address = free_address();
            let path = folder.join(format!("{program}.conf"));
            fs::write(&path, config(address)).unwrap();
            let mut command = foreign(program);
            command.arg("-d").arg("-c").arg(&path);
            if let Some(child) = Self::try_start(&mut command, program, folder, address) {
                return Self { child, address };
            }
        }
        let log = fs::read_to_string(folder.join(format!("{program}.log")));
        panic!("{program} does not start: {}", log.unwrap_or_default());
    }

    fn try_start(
        command: &mut Command,
        program: &str,
        folder: &Path,
        address: SocketAddr,
    ) -> Option<Child> {
        let log = File::create(folder.join(format!("{program}.log"))).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut has_ended = false;
        wait_until(&format!("{program} at {address}"), || {
            has_ended = child.try_wait().unwrap().is_some();
            has_ended || (UdpSocket::bind(address).is_err() && TcpStream::connect(address).is_ok())
        });
        (!has_ended).then_some(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // NSD has children, which it ends itself.
        let pid = Pid::from_child(&self.child);
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A port of the loopback interface that is free for both protocols, as far as one can know.
fn free_address() -> SocketAddr {
    loop {
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = datagrams.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
