//! Servers of others that end with their test: Dovecot for LMTP, Exim, aiosmtpd, and dnsmasq for names.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::ports::free_port;
use crate::common::processes::signal;
use crate::common::program::{Running, foreign, run};
use crate::common::wait_until;
use crate::postfix::{open_folder, show_log};

/// A server in a folder, which keeps mail in `mail` there.
pub(crate) struct Peer {
    folder: TempDir,
    process: Running,
    port: u16,
}

impl Peer {
    /// Starts what a command does with a folder and a port, and waits until it listens there. Its folder of mail is this user's.
    fn start(user: &str, command: impl FnOnce(&Path, u16) -> Command) -> Self {
        let (folder, port) = (open_folder(), free_port());
        let path = folder.path();
        fs::create_dir(path.join("mail")).unwrap();
        run(foreign("chown").arg(user).arg(path.join("mail")));
        let mut command = command(path, port);
        let output = fs::File::create(path.join("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stderr(output.try_clone().unwrap());
        let mut process = Running(command.stdout(output).spawn().unwrap());
        wait_until("a server to listen", || {
            let has_ended = process.0.try_wait().unwrap().is_some();
            has_ended || TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            folder,
            process,
            port,
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        show_log(&self.folder);
        signal(self.process.0.id(), Signal::TERM);
        let _ = self.process.0.wait();
    }
}

/// A Dovecot that takes mail by LMTP for everybody, at a port and at `lmtp` in its folder.
pub(crate) fn dovecot() -> Peer {
    let peer = Peer::start("nobody", |path, port| {
        let settings = format!(
            "protocols = lmtp\n\
             listen = 127.0.0.1\n\
             base_dir = {0}/run\n\
             state_dir = {0}/state\n\
             log_path = {0}/log\n\
             ssl = no\n\
             default_internal_user = nobody\n\
             default_internal_group = nogroup\n\
             default_login_user = nobody\n\
             mail_location = maildir:{0}/mail/%n\n\
             passdb {{\n  driver = static\n  args = nopassword=y\n}}\n\
             userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup home={0}/mail/%n allow_all_users=yes\n}}\n\
             service lmtp {{\n  unix_listener {0}/lmtp {{\n    mode = 0666\n  }}\n  \
             inet_listener lmtp {{\n    address = 127.0.0.1\n    port = {port}\n  }}\n}}\n",
            path.display()
        );
        let config = path.join("dovecot.conf");
        fs::write(&config, settings).unwrap();
        let mut dovecot = foreign("dovecot");
        dovecot.arg("-F").arg("-c").arg(config);
        dovecot
    });
    wait_until("Dovecot to listen", || peer.path("lmtp").exists());
    peer
}

/// An Exim that takes mail for everybody. The package of Debian looks for a user of its own, whom only it sees.
pub(crate) fn exim() -> Peer {
    Peer::start("nobody", |path, port| {
        for (name, line) in [
            (
                "passwd",
                "Debian-exim:x:65533:65533::/nonexistent:/usr/sbin/nologin\n",
            ),
            ("group", "Debian-exim:x:65533:\n"),
        ] {
            let known = fs::read_to_string(Path::new("/etc").join(name)).unwrap();
            fs::write(path.join(name), known + line).unwrap();
        }
        let exim = run(foreign("sh").args(["-c", "readlink -f \"$(command -v exim4)\""]));
        fs::create_dir(path.join("spool")).unwrap();
        run(foreign("chown").arg("nobody").arg(path.join("spool")));
        let settings = format!(
            "exim_path = {1}\n\
             primary_hostname = exim.example.com\n\
             spool_directory = {0}/spool\n\
             log_file_path = {0}/spool/%slog\n\
             pid_file_path = {0}/spool/pid\n\
             exim_user = nobody\n\
             exim_group = nogroup\n\
             never_users =\n\
             rfc1413_hosts =\n\
             host_lookup =\n\
             tls_advertise_hosts =\n\
             keep_environment =\n\
             message_size_limit = 0\n\
             smtp_accept_queue_per_connection = 0\n\
             acl_smtp_rcpt = accept\n\
             acl_smtp_data = accept\n\
             begin routers\n\
             all:\n  driver = accept\n  transport = mailbox\n\
             begin transports\n\
             mailbox:\n  driver = appendfile\n  maildir_format\n  directory = {0}/mail\n  user = nobody\n  group = nogroup\n",
            path.display(),
            exim.trim()
        );
        fs::write(path.join("exim.conf"), settings).unwrap();
        let script = "mount --bind $0/passwd /etc/passwd && mount --bind $0/group /etc/group &&\n\
                      exec $2 -C $0/exim.conf -bdf -q1h -oX 127.0.0.1:$1";
        let mut unshare = foreign("unshare");
        unshare.args(["--mount", "sh", "-c", script]).arg(path);
        unshare.arg(port.to_string()).arg(exim.trim());
        unshare
    })
}

/// An aiosmtpd that is spoken to in TLS from the first octet.
pub(crate) fn aiosmtpd(certificate: &str) -> Peer {
    Peer::start("root", |path, port| {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/relay");
        let mut aiosmtpd = foreign("aiosmtpd");
        aiosmtpd
            .env("PYTHONPATH", scripts)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        aiosmtpd.args(["-n", "-l", &format!("127.0.0.1:{port}"), "-c", "keep.Keep"]);
        aiosmtpd.args(["--smtpscert", certificate, "--smtpskey", certificate]);
        aiosmtpd.arg(path.join("mail"));
        aiosmtpd
    })
}

/// A dnsmasq that knows one name, which is this machine. It listens for TCP as well.
pub(crate) fn dnsmasq(name: &str) -> Peer {
    Peer::start("root", |_, port| {
        let mut dnsmasq = foreign("dnsmasq");
        dnsmasq.args([
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--user=",
        ]);
        dnsmasq.args([
            "--conf-file=/dev/null",
            "--pid-file=",
            "--listen-address=127.0.0.1",
        ]);
        dnsmasq
            .arg("--bind-interfaces")
            .arg(format!("--port={port}"));
        dnsmasq.arg(format!("--host-record={name},127.0.0.1"));
        dnsmasq
    })
}
