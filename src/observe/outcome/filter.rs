//! What filters have decided on a message, and the values of which that is made.

use crate::observe::codec::RecordValue;

/// A reply that a filter has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenCode<'a> {
    /// The three digits.
    pub code: u16,
    /// The lines, each with its end.
    pub lines: &'a [u8],
}

impl<'a> RecordValue<'a> for GivenCode<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        self.code.put(out);
        self.lines.put(out);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(Self {
            code: u16::take(from)?,
            lines: <&[u8]>::take(from)?,
        })
    }
}

/// A message as it is to be stored once all filters have seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassedCode<'a> {
    /// Its new header, where a filter has changed the text.
    pub header: Option<NewHeader<'a>>,
    /// Its new body on hold, where a filter has replaced that.
    pub body: Option<HeldBody>,
    /// The changes of the envelope: a number for the kind and an address each, by turns.
    pub envelope: &'a [u8],
    /// Why it is to be held, where a filter wants that.
    pub quarantine: Option<&'a str>,
}

/// The header of a message whose text was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewHeader<'a> {
    /// The header, with the line that ends it.
    pub octets: &'a [u8],
    /// The octets of the one before.
    pub before: u64,
}

/// A body on hold that a filter has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBody {
    /// The number of the text.
    pub text: usize,
    /// Its octets.
    pub octets: u64,
}

impl<'a> RecordValue<'a> for NewHeader<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        self.octets.put(out);
        self.before.put(out);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(Self {
            octets: <&[u8]>::take(from)?,
            before: u64::take(from)?,
        })
    }
}

impl RecordValue<'_> for HeldBody {
    fn put(&self, out: &mut Vec<u8>) {
        self.text.put(out);
        self.octets.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            text: usize::take(from)?,
            octets: u64::take(from)?,
        })
    }
}

impl<'a> RecordValue<'a> for PassedCode<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        self.header.put(out);
        self.body.put(out);
        self.envelope.put(out);
        self.quarantine.put(out);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(Self {
            header: RecordValue::take(from)?,
            body: RecordValue::take(from)?,
            envelope: <&[u8]>::take(from)?,
            quarantine: RecordValue::take(from)?,
        })
    }
}

impl<'a, A: RecordValue<'a>, B: RecordValue<'a>> RecordValue<'a> for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

/// The values that stand one after the other in these octets, up to the first that is none.
pub fn values<'a, T: RecordValue<'a>>(mut octets: &'a [u8]) -> impl Iterator<Item = T> {
    core::iter::from_fn(move || T::take(&mut octets))
}
