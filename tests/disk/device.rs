//! A disk with a cache that forgets, and a diary of all that was asked of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::image::Image;

/// What a disk was asked to do.
pub enum Request {
    Write { offset: u64, octets: Vec<u8> },
    Flush,
}

/// A disk in memory. Requests are carried out one after another, as they come, so a flush is for all writes before it.
///
/// It offers no write that is durable by itself (FUA): whoever needs one lets a flush follow.
pub struct Device {
    contents: Mutex<Contents>,
    delay_ms: AtomicU64,
}

struct Contents {
    image: Image,
    diary: Vec<Request>,
}

impl Device {
    /// A disk that holds `image`, durably.
    pub fn new(image: Image) -> Self {
        let diary = Vec::new();
        Self {
            contents: Mutex::new(Contents { image, diary }),
            delay_ms: AtomicU64::new(0),
        }
    }

    /// How long each write and each flush takes from now on.
    pub fn delay(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap();
        self.delay_ms.store(milliseconds, Ordering::Relaxed);
    }

    pub fn octets(&self) -> u64 {
        self.contents.lock().unwrap().image.octets()
    }

    /// How many requests are in the diary.
    pub fn position(&self) -> usize {
        self.contents.lock().unwrap().diary.len()
    }

    /// The diary so far; it begins anew.
    pub fn take_diary(&self) -> Vec<Request> {
        std::mem::take(&mut self.contents.lock().unwrap().diary)
    }

    pub fn read(&self, offset: u64, octets: &mut [u8]) {
        self.contents.lock().unwrap().image.read(offset, octets);
    }

    pub fn write(&self, offset: u64, octets: Vec<u8>) {
        self.wait();
        let mut contents = self.contents.lock().unwrap();
        contents.image.write(offset, &octets);
        contents.diary.push(Request::Write { offset, octets });
    }

    pub fn flush(&self) {
        self.wait();
        self.contents.lock().unwrap().diary.push(Request::Flush);
    }

    fn wait(&self) {
        let milliseconds = self.delay_ms.load(Ordering::Relaxed);
        thread::sleep(Duration::from_millis(milliseconds));
    }
}
