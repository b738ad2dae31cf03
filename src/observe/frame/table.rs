//! What the table of frames makes: the enum, its octets, and how they are read.

macro_rules! frames {
    ($($(#[$doc:meta])* $number:literal $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        /// One frame of a record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Frame<'a> {
            $($(#[$doc])* $name { $($(#[$field_doc])* $field: $type,)* },)*
        }

        impl<'a> Frame<'a> {
            /// Appends the number of the frame and its fields.
            pub fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name { $($field,)* } => {
                        out.push($number);
                        $($field.put(out);)*
                    })*
                }
            }

            /// Reads the octets of one frame; `None` if they are none.
            #[must_use]
            pub fn read(octets: &'a [u8]) -> Option<Self> {
                let (number, mut rest) = octets.split_first()?;
                let frame = match *number {
                    $($number => Self::$name { $($field: RecordValue::take(&mut rest)?,)* },)*
                    _ => return None,
                };
                rest.is_empty().then_some(frame)
            }
        }
    };
}

pub(super) use frames;
