//! What a filter replies.

use super::changes::FilterChange;
use super::commands::{
    ACCEPT, ADD_HEADER, ADD_RECIPIENT, ADD_RECIPIENT_ARGUMENTS, CHANGE_HEADER, CHANGE_SENDER,
    CONNECTION_FAIL, CONTINUE, CUSTOM_REPLY, DELETE_RECIPIENT, DISCARD, INSERT_HEADER, PROGRESS,
    QUARANTINE, REJECT, REPLACE_BODY, SHUTDOWN, SKIP, TEMPFAIL,
};
use super::custom_reply::CustomReply;
use super::error::MilterError;
use super::terms::{
    ACTION_ADD_HEADER, ACTION_ADD_RECIPIENT, ACTION_ADD_RECIPIENT_ARGUMENTS, ACTION_CHANGE_BODY,
    ACTION_CHANGE_HEADER, ACTION_CHANGE_SENDER, ACTION_DELETE_RECIPIENT, ACTION_QUARANTINE,
    take_long,
};
use super::wire::FilterPacket;

/// The most octets of the reason of a quarantine that are kept.
pub const QUARANTINE_REASON_BYTES_MAX: usize = 255;

/// A reply of a filter. All but the first and the last four are its verdict on the step, after which it says nothing more of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterReply {
    /// The filter agrees to speak with us. From now on it can be told steps.
    Negotiated,
    /// The filter has nothing against the step.
    Continue,
    /// The filter wants to see no more of this message; at connect and HELO of this connection. All is well.
    Accept,
    /// The filter refuses the step for good: the client, the message, or one recipient.
    Reject,
    /// The filter refuses the step for now.
    Tempfail,
    /// The filter refuses the step with this reply.
    Custom(CustomReply),
    /// The client is to be told that all is well, and the message to be dropped.
    Discard,
    /// The connection is to be refused.
    ConnectionFail,
    /// The connection is to be closed with a 421.
    Shutdown,
    /// The filter wants no more steps of this kind in this message.
    Skip,
    /// The filter is still at work. Whoever waits begins to do so anew.
    Progress,
    /// The message is to be held, for this reason.
    Quarantine(Box<[u8]>),
    /// The next piece of the body that takes the place of the present one.
    ReplaceBody(Vec<u8>),
    /// The header or the envelope is to be changed.
    Change(FilterChange),
}

impl FilterReply {
    /// Whether it ends what was asked.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        !matches!(
            self,
            Self::Negotiated
                | Self::Progress
                | Self::Quarantine(_)
                | Self::ReplaceBody(_)
                | Self::Change(_)
        )
    }

    /// Reads a packet.
    pub(super) fn parse(packet: FilterPacket) -> Result<Self, MilterError> {
        let FilterPacket { command, mut data } = packet;
        let wrong = MilterError::Arguments(command);
        let bare = match command {
            ACCEPT => Self::Accept,
            CONNECTION_FAIL => Self::ConnectionFail,
            CONTINUE => Self::Continue,
            DISCARD => Self::Discard,
            PROGRESS => Self::Progress,
            REJECT => Self::Reject,
            SHUTDOWN => Self::Shutdown,
            SKIP => Self::Skip,
            TEMPFAIL => Self::Tempfail,
            CUSTOM_REPLY => {
                let reply = CustomReply::parse(&data).ok_or(MilterError::CustomReply)?;
                return Ok(Self::Custom(reply));
            }
            QUARANTINE => {
                let reason = data.strip_suffix(b"\0").unwrap_or(&data);
                let reason = &reason[..reason.len().min(QUARANTINE_REASON_BYTES_MAX)];
                return Ok(Self::Quarantine(reason.into()));
            }
            REPLACE_BODY => {
                data.shrink_to_fit();
                return Ok(Self::ReplaceBody(data));
            }
            _ => {
                let change = parse_change(command, &data).ok_or(wrong)?;
                return Ok(Self::Change(change));
            }
        };
        match data.is_empty() {
            true => Ok(bare),
            false => Err(wrong),
        }
    }
}

/// The action that a reply takes, if it takes one; all that do come at the end of a message only.
pub(super) fn action_of(command: u8) -> Option<u32> {
    Some(match command {
        ADD_HEADER | INSERT_HEADER => ACTION_ADD_HEADER,
        ADD_RECIPIENT => ACTION_ADD_RECIPIENT,
        ADD_RECIPIENT_ARGUMENTS => ACTION_ADD_RECIPIENT_ARGUMENTS,
        CHANGE_HEADER => ACTION_CHANGE_HEADER,
        CHANGE_SENDER => ACTION_CHANGE_SENDER,
        DELETE_RECIPIENT => ACTION_DELETE_RECIPIENT,
        QUARANTINE => ACTION_QUARANTINE,
        REPLACE_BODY => ACTION_CHANGE_BODY,
        _ => return None,
    })
}

/// Reads a change of the header or the envelope. `None` where the data is not that of such.
fn parse_change(command: u8, data: &[u8]) -> Option<FilterChange> {
    let mut data = data;
    let index = match command {
        CHANGE_HEADER | INSERT_HEADER => take_long(&mut data)?,
        _ => 0,
    };
    let first = take_text(&mut data)?;
    // Parameters may be left out.
    let second = match command {
        ADD_RECIPIENT | DELETE_RECIPIENT => Box::default(),
        ADD_RECIPIENT_ARGUMENTS | CHANGE_SENDER if data.is_empty() => Box::default(),
        _ => take_text(&mut data)?,
    };
    if !data.is_empty() {
        return None;
    }
    Some(match command {
        ADD_HEADER => FilterChange::AddHeader {
            name: first,
            value: second,
        },
        INSERT_HEADER => FilterChange::InsertHeader {
            index,
            name: first,
            value: second,
        },
        CHANGE_HEADER => FilterChange::ChangeHeader {
            index,
            name: first,
            value: second,
        },
        ADD_RECIPIENT | ADD_RECIPIENT_ARGUMENTS => FilterChange::AddRecipient {
            address: first,
            arguments: second,
        },
        DELETE_RECIPIENT => FilterChange::DeleteRecipient(first),
        CHANGE_SENDER => FilterChange::ChangeSender {
            address: first,
            arguments: second,
        },
        _ => return None,
    })
}

/// Takes a text that ends in NUL off the front.
fn take_text(data: &mut &[u8]) -> Option<Box<[u8]>> {
    let end = data.iter().position(|octet| *octet == 0)?;
    let text = data[..end].into();
    *data = &data[end + 1..];
    Some(text)
}
