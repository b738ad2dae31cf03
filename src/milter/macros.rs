//! Macros: what a filter is told of the session beside its steps, by name.

use bytes::BytesMut;

use super::commands::{MACROS, StepKind};
use super::wire::PacketWriter;

/// The most octets of the value of a macro.
pub const MACRO_VALUE_BYTES_MAX: usize = 1_024;
/// The most octets of the names that a filter wants at one stage.
pub const MACRO_LIST_BYTES_MAX: usize = 4 * 1_024;
/// The most octets of all that is told at one stage. A filter may name a macro again and again.
const MACROS_BYTES_MAX: usize = 32 * 1_024;

/// The stages of a session at which macros are told, by the numbers that filters have for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacroStage {
    /// With the connection.
    Connect,
    /// With HELO and EHLO.
    Hello,
    /// With MAIL.
    Mail,
    /// With RCPT.
    Recipient,
    /// With DATA.
    Data,
    /// At the end of the message.
    EndOfMessage,
    /// At the end of the header.
    EndOfHeader,
}

impl MacroStage {
    const ALL: [Self; 7] = [
        Self::Connect,
        Self::Hello,
        Self::Mail,
        Self::Recipient,
        Self::Data,
        Self::EndOfMessage,
        Self::EndOfHeader,
    ];

    pub(super) fn of_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The stage of a step. Header fields, the body and unknown commands have none: libmilter has no place for their macros.
    pub(super) fn of(step: StepKind) -> Option<Self> {
        Some(match step {
            StepKind::Connect => Self::Connect,
            StepKind::Hello => Self::Hello,
            StepKind::Mail => Self::Mail,
            StepKind::Recipient => Self::Recipient,
            StepKind::Data => Self::Data,
            StepKind::EndOfHeader => Self::EndOfHeader,
            StepKind::EndOfMessage => Self::EndOfMessage,
            StepKind::Header
            | StepKind::Body
            | StepKind::Unknown
            | StepKind::Abort
            | StepKind::QuitNewConnection
            | StepKind::Quit => return None,
        })
    }

    /// The names that are told to a filter which says nothing of them: those of Postfix, and of the client what it has its users
    /// configure for rspamd.
    pub(super) fn usual_names(self) -> &'static [u8] {
        match self {
            Self::Connect => {
                b"j {daemon_name} {daemon_addr} {daemon_port} v _ {client_addr} {client_name} {client_port} {client_ptr} \
                  {client_connections} {client_resolve}"
            }
            Self::Hello => b"{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
            Self::Mail => {
                b"i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}"
            }
            Self::Recipient => b"i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
            Self::Data | Self::EndOfMessage | Self::EndOfHeader => b"i",
        }
    }

    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The macros of a session that have a value now.
#[derive(Clone, Debug, Default)]
pub struct FilterMacros {
    values: Vec<(&'static str, Box<[u8]>)>,
}

impl FilterMacros {
    /// Gives a macro a value, in the place of the one before. The name has no braces. A control octet of the value becomes `?`, and
    /// what is longer than [`MACRO_VALUE_BYTES_MAX`] is cut.
    pub fn set(&mut self, name: &'static str, value: &[u8]) {
        debug_assert!(!name.starts_with('{'), "a name has no braces here");
        let value = &value[..value.len().min(MACRO_VALUE_BYTES_MAX)];
        let mut value: Box<[u8]> = value.into();
        for octet in value.iter_mut().filter(|octet| octet.is_ascii_control()) {
            *octet = b'?';
        }
        match self.values.iter_mut().find(|(other, _)| *other == name) {
            Some((_, present)) => *present = value,
            None => self.values.push((name, value)),
        }
    }

    /// Takes the value of a macro away.
    pub fn clear(&mut self, name: &str) {
        self.values.retain(|(other, _)| *other != name);
    }

    /// The value of a macro, whose name may have braces.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let bare = name.strip_prefix(b"{").and_then(|it| it.strip_suffix(b"}"));
        let name = bare.unwrap_or(name);
        let mut values = self.values.iter();
        values
            .find(|(other, _)| other.as_bytes() == name)
            .map(|(_, value)| &value[..])
    }

    /// Appends the packet for a step with those of `names` that have a value. Whether there are any; without such nothing is
    /// appended unless `always`.
    pub(super) fn write(
        &self,
        step: StepKind,
        names: &[u8],
        always: bool,
        out: &mut BytesMut,
    ) -> bool {
        let start = out.len();
        let mut packet = PacketWriter::new(MACROS, out);
        packet.octets(&[step.command()]);
        let (mut any, mut left) = (false, MACROS_BYTES_MAX);
        let is_between = |octet: &u8| matches!(octet, b' ' | b',' | b'\t' | b'\r' | b'\n');
        for name in names.split(is_between).filter(|name| !name.is_empty()) {
            let Some(value) = self.get(name) else {
                continue;
            };
            let Some(rest) = left.checked_sub(name.len() + value.len() + 2) else {
                break;
            };
            left = rest;
            any = true;
            packet.text(name);
            packet.text(value);
        }
        packet.end();
        if !any && !always {
            out.truncate(start);
        }
        any
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
