//! The bounds of what is on hold.

/// Octets of one text from which on it is moved out of memory.
const TEXT_MEMORY_BYTES_MAX: usize = 64 * 1024;
/// Octets of memory that all texts may take.
const MEMORY_BYTES_MAX: usize = 4 << 20;
/// Octets of the disk that all texts may take.
const DISK_BYTES_MAX: u64 = 1 << 30;

/// The bounds of what is on hold.
#[derive(Clone, Copy, Debug)]
pub struct HoldOptions {
    /// The most octets of memory for one text.
    pub text_memory_bytes_max: usize,
    /// The most octets of memory for all texts.
    pub memory_bytes_max: usize,
    /// The most octets of the disk for all texts.
    pub disk_bytes_max: u64,
}

impl Default for HoldOptions {
    fn default() -> Self {
        Self {
            text_memory_bytes_max: TEXT_MEMORY_BYTES_MAX,
            memory_bytes_max: MEMORY_BYTES_MAX,
            disk_bytes_max: DISK_BYTES_MAX,
        }
    }
}
