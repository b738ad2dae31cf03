//! A Postfix that ends with its test.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::common::ports::free_port;
use crate::common::program::{foreign, installed, run};
use crate::common::skipped;

/// The services that taking mail takes, and sending it on.
const MASTER: &str = "\
127.0.0.1:PORT inet n - n - - smtpd
cleanup unix  n - n -     0 cleanup
qmgr    unix  n - n 300   1 qmgr
rewrite unix  - - n -     - trivial-rewrite
bounce  unix  - - n -     0 bounce
defer   unix  - - n -     0 bounce
trace   unix  - - n -     0 bounce
anvil   unix  - - n -     1 anvil
proxymap unix - - n -     - proxymap
tlsmgr  unix  - - n 1000? 1 tlsmgr
error   unix  - - n -     - error
retry   unix  - - n -     - error
discard unix  - - n -     - discard
smtp    unix  - - n -     - smtp
lmtp    unix  - - n -     - lmtp
virtual unix  - n n -     - virtual
postlog unix-dgram n - n - 1 postlogd
";

/// A running instance.
pub(crate) struct Postfix {
    folder: TempDir,
    port: u16,
}

impl Postfix {
    /// Starts one with more lines of `main.cf` and of `master.cf`. `FOLDER` in the first is its own, `OWNER` the
    /// number of the user who may write into `FOLDER/mail`.
    pub(crate) fn start(settings: &str, services: &str) -> Self {
        let (folder, port) = (open_folder(), free_port());
        let path = folder.path();
        for name in ["conf", "queue", "data", "mail"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        run(foreign("chown")
            .arg("postfix")
            .args([path.join("data"), path.join("mail")]));
        let settings = format!(
            "compatibility_level = 3.6\n\
             queue_directory = FOLDER/queue\n\
             data_directory = FOLDER/data\n\
             maillog_file = FOLDER/log\n\
             maillog_file_prefixes = FOLDER\n\
             myhostname = postfix.example.com\n\
             mydestination =\n\
             inet_interfaces = loopback-only\n\
             alias_maps =\n\
             message_size_limit = 0\n\
             virtual_mailbox_limit = 0\n\
             {settings}"
        );
        let owner = fs::metadata(path.join("mail")).unwrap().uid().to_string();
        let settings = settings.replace("FOLDER", path.to_str().unwrap());
        let settings = settings.replace("OWNER", &owner);
        fs::write(path.join("conf/main.cf"), settings).unwrap();
        let master = [MASTER, services].concat();
        let master = master.replace("PORT", &port.to_string());
        fs::write(path.join("conf/master.cf"), master).unwrap();
        let postfix = Self { folder, port };
        run(postfix.command().arg("start"));
        postfix
    }

    /// The same for one that keeps mail for `bob@there.example`.
    pub(crate) fn with_mailbox(settings: &str, services: &str) -> Self {
        let mailbox = "\
             virtual_mailbox_domains = there.example\n\
             virtual_mailbox_base = FOLDER/mail\n\
             virtual_mailbox_maps = inline:{ {bob@there.example = bob/} }\n\
             virtual_uid_maps = static:OWNER\n\
             virtual_gid_maps = static:OWNER\n\
             virtual_minimum_uid = 1\n";
        Self::start(&[mailbox, settings].concat(), services)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Whether it has no message in its queue but those on hold.
    #[allow(dead_code, reason = "only the tests of filters wait for this")]
    pub(crate) fn is_idle(&self) -> bool {
        let queues = ["incoming", "active", "deferred"];
        let mut folders: Vec<_> = queues
            .map(|it| self.folder.path().join("queue").join(it))
            .into();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    _ => return false,
                }
            }
        }
        true
    }

    /// The folder of the mail that it has for Bob.
    pub(crate) fn mail(&self) -> PathBuf {
        self.folder.path().join("mail/bob/new")
    }

    fn command(&self) -> Command {
        let mut command = foreign("postfix");
        command.arg("-c").arg(self.folder.path().join("conf"));
        command
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        show_log(&self.folder);
        let _ = self.command().arg("stop").output();
    }
}

/// A folder that others may look into, as the users of such servers are.
pub(crate) fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path());
    folder
}

/// Lets others look into a folder.
pub(crate) fn open(folder: &Path) {
    fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Whether a server of others can be started. Only root can, so there is none for others.
pub(crate) fn can_run(programs: &[&str]) -> bool {
    installed(programs) && (geteuid().is_root() || skipped::note(&[skipped::ROOT]))
}

/// Shows what a server of others logged where the test has failed.
pub(crate) fn show_log(folder: &TempDir) {
    if std::thread::panicking() {
        let log = fs::read(folder.path().join("log")).unwrap_or_default();
        println!("{}", String::from_utf8_lossy(&log));
    }
}
