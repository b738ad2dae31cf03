//! The place of a module whose feature this build lacks.
//!
//! A module that a feature brings hands out what it can do as one value, by a function `built`. A build without the feature
//! has this file in its place, and so the value `None`: what depends on the feature asks the value, not the compiler.

/// Nothing: the feature is not built in.
pub(super) fn built<T>() -> Option<T> {
    None
}
