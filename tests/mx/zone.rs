//! A zone of its own for one domain: its script, and what is expected of mail to it.

/// One domain, and what becomes of mail for it.
#[derive(Clone, Debug)]
pub(crate) struct MailZone {
    /// What is special in it.
    pub(crate) about: String,
    /// Rules of the scripted name server, by semicolons. `@` is the domain; `{up1}` the address of a host that takes mail, `{busy1}` of
    /// one that refuses every connection by 421, `{down1}` of one at which nobody listens; `PORT` the port of all of them.
    /// `literal ADDRESS` in place of rules: mail goes to that address in brackets.
    pub(crate) script: String,
    /// `sent`, `deferred 4.4.3` or `failed 5.1.2`.
    pub(crate) fate: &'static str,
    /// The hosts that connections are made to, in their order; ` or ` between what may be.
    pub(crate) connections: &'static str,
}

/// A line of a table: what is special, the script, the fate, and the connections.
pub(crate) type ZoneRow = (&'static str, &'static str, &'static str, &'static str);

impl MailZone {
    pub(crate) fn of_row((about, script, fate, connections): ZoneRow) -> Self {
        Self {
            about: about.to_owned(),
            script: script.to_owned(),
            fate,
            connections,
        }
    }
}
