//! The replay of a record.
