//! MTA-STS (RFC 8461): domains that say by a record and a policy which hosts take their mail, under TLS with a verified certificate.
//!
//! A server that sends asks one question, of the kind [`Policy`](super::dns::answer::NameKind::Policy), and is answered with the text of the policy that is in
//! force:
//!
//! ```
//! use mailoop::outbound::sts::policy::{StsMode, StsPolicy};
//!
//! let text = b"version: STSv1\nmode: enforce\nmx: mail.example.org\nmx: *.example.net\nmax_age: 604800\n";
//! let policy = StsPolicy::parse(text)?;
//! assert_eq!(policy.mode, StsMode::Enforce);
//! assert!(policy.matches("mail.example.org") && policy.matches("MX1.example.net."));
//! assert!(!policy.matches("example.net") && !policy.matches("a.b.example.net"));
//! # Ok::<(), mailoop::outbound::sts::policy::StsPolicyError>(())
//! ```
//!
//! Everything that leads to the answer is behind that question:
//!
//! - [`desk`] decides, sans-IO, what is in force, by the [record] of the domain and the policies that are [known], which outlive a
//!   restart in a [file].
//! - [`service`] lends it name servers and connections, on each of which [`fetch`] drives one request; a [response](super::response) is
//!   what comes of it, or an [error].

pub mod desk;
pub mod error;
pub mod fetch;
pub mod file;
pub mod known;
pub mod policy;
pub mod record;
pub mod service;

use super::dns::host_name::HostName;

/// The name of the record of a domain (RFC 8461 §3.1).
#[must_use]
pub fn record_name(domain: &HostName) -> String {
    format!("_mta-sts.{domain}")
}

/// The name of the host that has the policy of a domain (RFC 8461 §3.2).
#[must_use]
pub fn policy_host(domain: &HostName) -> String {
    format!("mta-sts.{domain}")
}
