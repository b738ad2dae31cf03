//! The names that queue ids begin with: each store has one of its own, though it knows nothing of others.

/// The characters of an instance.
const INSTANCE_DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// The characters of one: as many as a queue id has room for, more than 70 bits.
const INSTANCE_BYTES: usize = 14;

/// The start of queue ids that nobody else gives out.
pub(super) fn instance(random: &mut dyn FnMut() -> u64) -> Box<str> {
    let mut number = u128::from(random()) << 64 | u128::from(random());
    let mut name = String::with_capacity(INSTANCE_BYTES);
    for _ in 0..INSTANCE_BYTES {
        let digit = usize::try_from(number % 36).unwrap_or_default();
        name.push(char::from(INSTANCE_DIGITS[digit]));
        number /= 36;
    }
    name.into()
}
