//! Digests of the octets that clients receive: two files of them, from before and after a change, show which seeds differ.
//!
//! `MAILOOP_SIM_DIGEST=FILE` has a line for each seed written to FILE, in their order:
//! `seed=17 digest=2c44b0a1c9e3f057 clients=9f0e6d1c55aa0132,…`. The octets are those of the text, also in TLS.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

/// Digest of octets that come in pieces (FNV-1a, 64 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub fn add(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Collects the digests of all seeds, if a file is named for them.
pub struct Digests {
    path: Option<PathBuf>,
    lines: Mutex<Vec<(u64, String)>>,
}

impl Digests {
    /// Reads the file's name from the environment.
    pub fn from_environment() -> Self {
        Self {
            path: env::var_os("MAILOOP_SIM_DIGEST").map(PathBuf::from),
            lines: Mutex::default(),
        }
    }

    /// Adds a seed with the digest of each of its clients.
    pub fn add(&self, seed: u64, clients: &[Digest]) {
        if self.path.is_none() {
            return;
        }
        let mut all = Digest::default();
        clients
            .iter()
            .for_each(|client| all.add(&client.0.to_be_bytes()));
        let each: Vec<_> = clients
            .iter()
            .map(|one| format!("{:016x}", one.0))
            .collect();
        let line = format!(
            "seed={seed} digest={:016x} clients={}\n",
            all.0,
            each.join(",")
        );
        self.lines.lock().unwrap().push((seed, line));
    }

    /// Writes the file.
    pub fn write(self) {
        if let Some(path) = self.path {
            let mut lines = self.lines.into_inner().unwrap();
            lines.sort();
            let text: String = lines.into_iter().map(|(_, line)| line).collect();
            fs::write(path, text).unwrap();
        }
    }
}
