//! The queue and the spool of a running server, as an operator reaches them by the control socket.

use core::ops::ControlFlow;
use std::rc::Rc;

use super::probe::CoreProbe;
use super::queue_answers::{QueueAccess, QueueAction, QueuedRead};
use crate::net::transport::Transport;
use crate::outbound::queue::{Choice, MailView, RecipientView, SiteId, SiteView, Touched};
use crate::outbound::relay::{OperatorCommand, Outbound};
use crate::store::spool::{ChangeCounts, MailId, ReadResult, SpoolEnvelope, SpoolStore};

/// The queue and the spool of a running server.
pub(super) struct ServerQueue<'a, T: Transport> {
    pub(super) outbound: &'a mut Outbound<T>,
    pub(super) spool: &'a mut dyn SpoolStore,
    pub(super) probe: Option<&'a mut Box<dyn CoreProbe>>,
}

impl<T: Transport> ServerQueue<'_, T> {
    /// Reads from the spool for an operator, of which no observer hears.
    fn look<R>(&mut self, read: impl FnOnce(&mut dyn SpoolStore) -> R) -> R {
        self.spool.set_observed(false);
        let result = read(self.spool);
        self.spool.set_observed(true);
        result
    }

    /// Carries out a command, as [`Outbound::command`].
    pub(super) fn command(
        &mut self,
        command: OperatorCommand,
        mail: MailId,
        whom: Choice<'_>,
    ) -> Option<Touched> {
        if let Some(probe) = &mut self.probe {
            probe.queue_command(command, mail, whom);
        }
        self.outbound.command(command, mail, whom, self.spool)
    }
}

impl<T: Transport> QueueAccess for ServerQueue<'_, T> {
    fn now_ms(&self) -> u64 {
        self.outbound.now_ms()
    }

    fn is_scanning(&self) -> bool {
        self.spool.is_scanning()
    }

    fn mails_after(&self, after: Option<MailId>, max: usize) -> Vec<MailId> {
        self.outbound.queue().mails_after(after, max)
    }

    fn mail(&self, mail: MailId) -> Option<MailView> {
        self.outbound.queue().mail(mail)
    }

    fn recipients(&self, mail: MailId, tell: &mut dyn FnMut(RecipientView<'_>) -> ControlFlow<()>) {
        let mut recipients = self.outbound.queue().recipients(mail, self.now_ms());
        // Whoever listens has heard enough, or all.
        let _ = recipients.try_for_each(tell);
    }

    fn sites_after(&self, after: Option<SiteId>, max: usize) -> Vec<SiteView<'_>> {
        self.outbound.queue().sites_after(after, max)
    }

    fn envelope(&mut self, mail: &MailView) -> QueuedRead<Rc<SpoolEnvelope>> {
        match self.look(|spool| spool.read_envelope(mail.mail, mail.place)) {
            ReadResult::Now(envelope) => QueuedRead::Now(envelope),
            ReadResult::Later(_) => QueuedRead::Later,
            ReadResult::Gone | ReadResult::Failed(_) => QueuedRead::Failed,
        }
    }

    fn text(&mut self, mail: &MailView, at: u64, max: usize) -> QueuedRead<Rc<[u8]>> {
        let mut octets = Vec::new();
        let read = self.look(|spool| spool.read_piece(mail.mail, mail.place, at, max, &mut octets));
        match read {
            ReadResult::Now(_) => QueuedRead::Now(octets.into()),
            ReadResult::Later(_) => QueuedRead::Later,
            ReadResult::Gone | ReadResult::Failed(_) => QueuedRead::Failed,
        }
    }

    fn apply(&mut self, action: QueueAction, mail: MailId, whom: Choice<'_>) -> Option<Touched> {
        let command = match action {
            QueueAction::Hold => OperatorCommand::Hold,
            QueueAction::Release => OperatorCommand::Release,
            QueueAction::Retry => OperatorCommand::Retry,
            QueueAction::Delete => OperatorCommand::Delete,
        };
        self.command(command, mail, whom)
    }

    fn change_counts(&mut self) -> ChangeCounts {
        self.spool.change_counts()
    }
}
