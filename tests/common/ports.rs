//! Ports that a test needs to know before anybody listens there.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// These are below those that the kernel gives to whoever asks for any: nobody else gets one before it is listened at.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that is free now, for a program that picks none by itself.
pub fn free_port() -> u16 {
    loop {
        let port = next();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// An address at which nobody listens unless the test does, whatever other tests do meanwhile: the process has it for itself. No
/// listener finds it, since a child that another test is just starting could hold that for a while.
pub fn deserted_address() -> String {
    let [.., high, low] = process::id().to_be_bytes();
    format!("127.78.{high}.{low}:{}", next())
}

/// Another one each time, and in each process.
fn next() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        let random = RandomState::new().build_hasher().finish();
        AtomicU16::new(u16::try_from(random % u64::from(COUNT)).unwrap())
    });
    FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT
}
