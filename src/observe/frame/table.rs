//! What a table of frames makes: the enum, its octets, and how they are read.

macro_rules! frames {
    ($frames:ident $($(#[$doc:meta])* $number:literal $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        /// One frame of a record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "`at` and `connection` are the same everywhere, as the module says")]
        pub enum $frames<'a> {
            $($(#[$doc])* $name { $($(#[$field_doc])* $field: $type,)* },)*
        }

        /// The number of the frame and its fields.
        impl<'a> RecordValue<'a> for $frames<'a> {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name { $($field,)* } => {
                        out.push($number);
                        $($field.put(out);)*
                    })*
                }
            }

            fn take(from: &mut &'a [u8]) -> Option<Self> {
                let (number, rest) = from.split_first()?;
                *from = rest;
                Some(match *number {
                    $($number => Self::$name { $($field: RecordValue::take(from)?,)* },)*
                    _ => return None,
                })
            }
        }
    };
}

pub(super) use frames;
