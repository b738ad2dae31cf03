//! The files of the system that tell of names: the hosts file, and resolv.conf. They are read again once they have changed.

use core::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::outbound::dns::config::ResolverConfig;
use crate::outbound::dns::hosts::HostsFile;
use crate::outbound::dns::resolver::Resolver;

/// The least time between two looks at whether a file has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// The most octets of a file that are read: this takes milliseconds, in which nobody is served.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The sources of names, beside the cache.
#[derive(Clone, Debug)]
pub struct NameSources {
    /// The name servers, if they are not those of `resolv_conf`.
    pub servers: Vec<SocketAddr>,
    /// The hosts file.
    pub hosts: PathBuf,
    /// The settings of the system's resolver, which are not looked at where there are `servers`.
    pub resolv_conf: PathBuf,
}

impl NameSources {
    /// The files of the system, and these name servers in place of its own, if there are some.
    #[must_use]
    pub fn system(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers,
            hosts: "/etc/hosts".into(),
            resolv_conf: "/etc/resolv.conf".into(),
        }
    }
}

/// Files that are followed.
#[derive(Debug)]
pub(super) struct SystemFiles {
    hosts: WatchedFile,
    /// None where name servers are given.
    resolv_conf: Option<WatchedFile>,
    servers: Vec<SocketAddr>,
    looked_at: Option<Instant>,
}

#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    stamp: Option<FileStamp>,
}

/// What changes with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
}

impl SystemFiles {
    pub(super) fn new(sources: NameSources) -> Self {
        let watched = |path| WatchedFile { path, stamp: None };
        let by_file = sources.servers.is_empty();
        Self {
            hosts: watched(sources.hosts),
            resolv_conf: by_file.then(|| watched(sources.resolv_conf)),
            servers: sources.servers,
            looked_at: None,
        }
    }

    /// The settings before a file was read.
    pub(super) fn config(&self) -> ResolverConfig {
        ResolverConfig::new(self.servers.clone())
    }

    /// Has the resolver go on with what the files say now, if it is time to look at them.
    pub(super) fn follow(&mut self, resolver: &mut Resolver, now: Instant) {
        let is_early = |at| now.saturating_duration_since(at) < LOOK_INTERVAL;
        if self.looked_at.is_some_and(is_early) {
            return;
        }
        self.looked_at = Some(now);
        if let Some(text) = self.hosts.read_if_changed() {
            resolver.set_hosts(HostsFile::parse(&text));
        }
        let Some(file) = &mut self.resolv_conf else {
            return;
        };
        if let Some(text) = file.read_if_changed() {
            let (config, warnings) = ResolverConfig::parse(&text, interface_index);
            for warning in warnings {
                warn(format_args!("{}: {warning}", file.path.display()));
            }
            resolver.set_config(config);
        }
    }
}

impl WatchedFile {
    /// The text of a file that has changed since the last call. A file that is missing has not, as one that is about to be put
    /// there.
    fn read_if_changed(&mut self) -> Option<Vec<u8>> {
        let stamp = FileStamp::of(&fs::metadata(&self.path).ok()?);
        if self.stamp == Some(stamp) {
            return None;
        }
        self.stamp = Some(stamp);
        match self.read() {
            Ok(text) => Some(text),
            Err(error) => {
                warn(format_args!("cannot read {}: {error}", self.path.display()));
                None
            }
        }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let file = File::open(&self.path)?;
        let length = file.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
        if length as u64 == FILE_BYTES_MAX {
            let path = self.path.display();
            warn(format_args!("{path} is long: only its first MiB counts"));
        }
        Ok(text)
    }
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

fn warn(what: fmt::Arguments<'_>) {
    log::warn!("warning={:?}", what.to_string());
}

/// The number of a network interface.
fn interface_index(name: &str) -> Option<u32> {
    let number = fs::read_to_string(format!("/sys/class/net/{name}/ifindex"));
    number.ok()?.trim().parse().ok()
}
