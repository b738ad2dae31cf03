//! `mailoop judge`: the checks of [`crate::judge`] on real connections.

mod client;
mod driver;
mod files;
mod process;
mod report;
mod server;

pub use client::{JudgedCommand, judge_client};
pub use files::{read_checks, write_report};
pub use server::{JudgeServer, judge_server};

/// The form of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportForm {
    /// For people.
    Text,
    /// As JSON.
    Json,
    /// In the Test Anything Protocol.
    Tap,
}
