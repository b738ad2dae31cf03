//! The real server, started for one test and watched from outside: its socket, its files, its log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Each test program uses its own part of this module.
#![allow(dead_code, unreachable_pub)]

pub mod chunks;
pub mod client;
pub mod dialogue;
#[cfg(feature = "milter")]
pub mod filter;
#[cfg(feature = "http")]
pub mod http;
pub mod json;
pub mod logins;
pub mod memory;
#[cfg(feature = "stream")]
pub mod nats;
pub mod pauses;
#[cfg(feature = "send")]
pub mod peer;
pub mod ports;
pub mod processes;
pub mod program;
#[cfg(feature = "relay")]
pub mod queue;
#[cfg(feature = "send")]
pub mod script;
pub mod signed_zone;
pub mod skipped;
pub mod tls;
pub mod tracer;

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tempfile::TempDir;

/// How long a test waits for what must happen, before it fails. Far more than it takes on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How long a test rests between two looks.
const WAIT_STEP: Duration = Duration::from_millis(2);

/// The name the server under test goes by, unless the test gives it another.
pub const HOSTNAME: &str = "mx.example.org";

/// A running `mailoop serve` in a folder of its own, which goes with it.
pub struct TestServer {
    child: Child,
    folder: TempDir,
    address: String,
}

impl TestServer {
    /// Starts a server with these options and waits until it listens: on a free port of the loopback, unless
    /// they name another listener or a configuration that does. It keeps mail in `./mail` of its folder, as it
    /// does by itself.
    pub fn start(args: &[&str]) -> Self {
        Self::start_command(Command::new(env!("CARGO_BIN_EXE_mailoop")), args)
    }

    /// Starts `mailoop catch` in its place, which has pages and REST as well: on free ports of the loopback, where these options say
    /// nothing else.
    pub fn start_catch(args: &[&str]) -> Self {
        let named = |option: &str| args.iter().any(|arg| arg.starts_with(option));
        let mut args = args.to_vec();
        if !named("--http") {
            args.extend(["--http", "127.0.0.1:0"]);
        }
        let command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        let server = Self::try_start_as("catch", command, &args);
        let server = server.unwrap_or_else(|ended| ended.not_started());
        wait_until("pages to be served", || {
            server.stdout().contains("listening http ")
        });
        server
    }

    /// The same, with so many descriptors.
    pub fn start_with_descriptors(limit: u32, args: &[&str]) -> Self {
        let mut shell = Command::new("/bin/sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_mailoop")]);
        Self::start_command(shell, args)
    }

    /// The same, where no file may be larger than so many KiB.
    pub fn start_with_file_size(kib: u32, args: &[&str]) -> Self {
        // POSIX counts in blocks of 512 octets, some shells in others.
        let script = format!("ulimit -f {}; exec \"$0\" \"$@\"", 2 * kib);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_mailoop")]);
        Self::start_command(shell, args)
    }

    /// The same, under another program: `wrapper` is its name and what it takes before those of the server.
    pub fn start_under(wrapper: &[&str], args: &[&str]) -> Self {
        Self::try_start_under(wrapper, args).unwrap_or_else(|ended| ended.not_started())
    }

    /// The same; one that ends before it listens is returned as an error.
    pub fn try_start_under(wrapper: &[&str], args: &[&str]) -> Result<Self, Self> {
        let mut command = Command::new(wrapper[0]);
        command
            .args(&wrapper[1..])
            .arg(env!("CARGO_BIN_EXE_mailoop"));
        Self::try_start(command, args)
    }

    /// The body that a path is answered with by HTTP.
    #[cfg(feature = "catch")]
    pub fn get(&self, path: &str) -> String {
        use std::io::{Read, Write};

        let mut stream = TcpStream::connect(self.address_for("http")).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {response}");
        body.to_owned()
    }

    fn start_command(command: Command, args: &[&str]) -> Self {
        Self::try_start(command, args).unwrap_or_else(|ended| ended.not_started())
    }

    fn not_started(mut self) -> ! {
        let status = self.child.wait().unwrap();
        panic!("not started: {status}\n{}", self.log());
    }

    fn try_start(command: Command, args: &[&str]) -> Result<Self, Self> {
        Self::try_start_as("serve", command, args)
    }

    fn try_start_as(name: &str, mut command: Command, args: &[&str]) -> Result<Self, Self> {
        let named = |option: &str| args.iter().any(|arg| arg.starts_with(option));
        let folder = tempfile::tempdir().unwrap();
        let output = |name| File::create(folder.path().join(name)).unwrap();
        command.arg(name).args(args);
        if !named("--listen") && !named("--config") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !named("--hostname") {
            command.args(["--hostname", HOSTNAME]);
        }
        command
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"));
        Self::spawn(command, folder)
    }

    /// Starts a server by a line of shell, in which `"$0" "$@"` runs it with exactly these options. The standard
    /// streams are the shell's; the server's own are to be `/dev/null` and the files `stdout` and `stderr`.
    pub fn start_by_shell(line: &str, args: &[&str], [stdin, stdout, stderr]: [Stdio; 3]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["stdout", "stderr"] {
            File::create(folder.path().join(name)).unwrap();
        }
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line, env!("CARGO_BIN_EXE_mailoop"), "serve"])
            .args(args)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr);
        Self::spawn(command, folder).unwrap_or_else(|ended| ended.not_started())
    }

    fn spawn(mut command: Command, folder: TempDir) -> Result<Self, Self> {
        let child = command
            // Options may also come from the environment: the test's is its own affair.
            .env_clear()
            .current_dir(&folder)
            .spawn()
            .unwrap();
        // It still has the sockets that were passed.
        drop(command);
        let mut server = Self {
            child,
            folder,
            address: String::new(),
        };
        wait_until("the server to listen", || {
            server.stdout().ends_with('\n') || server.has_ended()
        });
        let stdout = server.stdout();
        let Some(first) = stdout.lines().next() else {
            return Err(server);
        };
        let address = listening_address(first).expect("no listening line");
        address.clone_into(&mut server.address);
        Ok(server)
    }

    /// Where it listens: `IP:PORT`, `[IPv6]:PORT` or `unix:PATH`; with several listeners, the first.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it listens for this protocol, the first of its listeners for that.
    pub fn address_for(&self, protocol: &str) -> String {
        let stdout = self.stdout();
        let prefix = format!("listening {protocol} ");
        let address = stdout.lines().find_map(|line| line.strip_prefix(&prefix));
        address.unwrap().to_owned()
    }

    /// Where it listens for HTTP, the first of its listeners for that.
    pub fn http_address(&self) -> String {
        self.address_for("http")
    }

    /// The port of [`Self::address`].
    pub fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    /// A client's connection, which waits only so long for an answer.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        stream
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The server and the processes it has started.
    pub fn family(&self) -> Vec<u32> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
        [pid].into_iter().chain(children).collect()
    }

    /// The folder the server runs in, also for files a test needs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of all mailboxes.
    pub fn maildir(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// The folder of one mailbox, there or not. For plain addresses: nothing in them is escaped.
    pub fn mailbox(&self, address: &str) -> PathBuf {
        let (local_part, domain) = address.rsplit_once('@').unwrap();
        self.maildir().join(domain).join(local_part)
    }

    /// The messages in a mailbox's `new/`, by name.
    pub fn new_mail(&self, address: &str) -> Vec<PathBuf> {
        files(&self.mailbox(address).join("new"))
    }

    /// The files in a mailbox's `tmp/`, by name, and those that are written without one: there, or above a mailbox that is
    /// not there yet.
    pub fn tmp_mail(&self, address: &str) -> Vec<PathBuf> {
        let tmp = self.mailbox(address).join("tmp");
        let mut found = files(&tmp);
        for process in self.family() {
            for folder in tmp.ancestors().take(4) {
                found.extend(processes::unnamed_files(process, folder));
            }
        }
        found
    }

    /// The only message in a mailbox's `new/`, as it was before the server put its trace header in front.
    pub fn message(&self, address: &str) -> Vec<u8> {
        let new = self.new_mail(address);
        let [path] = &new[..] else {
            panic!("not one message for {address}: {new:?}\n{}", self.log());
        };
        without_trace(&fs::read(path).unwrap()).to_vec()
    }

    /// All it wrote to stderr so far: the log, without the time at the start of each line.
    pub fn log(&self) -> String {
        without_times(&self.read("stderr"))
    }

    /// All it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder().join(name)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A figure of its memory in KiB, by its name in `/proc`: `VmRSS` now, `VmHWM` the most so far.
    pub fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Processor time it has used so far, in ticks of the clock.
    pub fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Whether it has used no processor time for a while.
    pub fn is_resting(&self) -> bool {
        let before = self.processor_ticks();
        thread::sleep(Duration::from_millis(100));
        self.processor_ticks() == before
    }

    /// How often it has waited for something and got it.
    pub fn wakes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let waits = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        waits.unwrap().trim().parse().unwrap()
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }

    /// Whether the server is running no more.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends the server a signal; one that has ended hears none.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Asks the server to end and sees that it does so in good order. Its files and its log stay readable.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        wait_until("the server to end", || self.has_ended());
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{status}\n{}", self.log());
        let stdout = self.stdout();
        let listening = stdout.lines().all(|line| listening_address(line).is_some());
        assert!(listening, "more than listening lines on stdout: {stdout}");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Log lines without the time that each begins with.
pub fn without_times(log: &str) -> String {
    let lines = log.split_inclusive('\n');
    lines
        .map(|line| match line.split_once(' ') {
            Some((time, rest)) if time.starts_with("time=") => rest,
            _ => line,
        })
        .collect()
}

/// The text of a users file with these names and passwords; empty if there are none.
pub fn users_file(users: &[(&str, &str)]) -> String {
    #[cfg(feature = "auth")]
    if !users.is_empty() {
        use mailoop::smtp::auth::users::{ITERATIONS_BOUNDS, StoredCredentials, new_header};

        let lines = users.iter().map(|(name, password)| {
            let credentials = StoredCredentials::new(password, *ITERATIONS_BOUNDS.start()).unwrap();
            format!("{name}:{credentials}\n")
        });
        return format!("{}\n{}", new_header().unwrap(), lines.collect::<String>());
    }
    let _ = users;
    String::new()
}

/// Takes `listening PROTOCOL ADDRESS` apart.
fn listening_address(line: &str) -> Option<&str> {
    let (_protocol, address) = line.strip_prefix("listening ")?.split_once(' ')?;
    Some(address)
}

/// Lets this process open as many descriptors as it is allowed to.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .unwrap();
}

/// Lets a server that starts with this folder of mailboxes take its file system for one without unnamed files: what it
/// would find that out with is in the way.
pub fn name_files_at_once(maildir: &Path) {
    fs::create_dir_all(maildir.join(".mailoop/probe")).unwrap();
}

/// Waits for something that is bound to happen; fails by the name `what` if it does not.
pub fn wait_until(what: &str, happened: impl FnMut() -> bool) {
    assert!(happens(happened), "waited in vain for {what}");
}

/// Whether something happens while a test may wait.
pub fn happens(mut happened: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !happened() {
        if start.elapsed() > WAIT_MAX {
            return false;
        }
        thread::sleep(WAIT_STEP);
    }
    true
}

/// The files of a folder, by name; none if it does not exist.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A stored message without `Return-Path` and the folded `Received` that the server puts in front.
pub fn without_trace(stored: &[u8]) -> &[u8] {
    let mut lines = stored.split_inclusive(|&byte| byte == b'\n');
    let mut length = 0;
    for name in ["Return-Path: <", "Received: from "] {
        let line = lines.next().unwrap_or_default();
        let shown = String::from_utf8_lossy(line);
        assert!(line.starts_with(name.as_bytes()), "no {name}: {shown}");
        length += line.len();
    }
    // RFC 5322 §2.2.3: a folded field goes on in lines that begin with white space.
    let folded = lines.take_while(|line| matches!(line.first(), Some(b' ' | b'\t')));
    &stored[length + folded.map(<[u8]>::len).sum::<usize>()..]
}
