//! The way to a connection with a site: its hops in their order, the addresses of each, and what a host has published of its TLS.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::delivery::{RecipientResult, ResultClass};
use super::delivery_log::HopPlace;
use super::dns::answer::{NameError, NameFound, NameKind, NameQuestion, NameRecords, NameResult};
use super::hop::HopFacts;
use super::mx::ourselves::{AddressVerdict, MxRules};
use super::mx::site::{HostAssociations, MxSite};
use super::sites::{SiteHop, SiteHops};
use crate::net::endpoint::SocketAddress;
use crate::net::failure::TlsFailure;
use crate::net::trust::usable;
use crate::smtp::route::HopAddress;
use crate::smtp::status::EnhancedStatus;

/// The most addresses of one hop that are tried for one connection.
pub const ADDRESSES_TRIED_MAX: usize = 5;
/// The most addresses of one host that are tried where the domain names others: one of each family, mostly.
const ADDRESSES_OF_ONE_MAX: usize = 2;
/// The most addresses of all hosts of a domain that are tried for one connection.
const ADDRESSES_OF_ALL_MAX: usize = 8;

/// What an opening needs next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpeningStep {
    /// An answer to this question, by [`SiteOpening::answered`].
    LookUp(NameQuestion),
    /// A connection to this address. Where it fails, [`SiteOpening::failed`].
    Dial(SocketAddress),
    /// Nothing: every hop has failed.
    GiveUp,
}

/// A host that was dialed, as others hear of it.
#[derive(Clone, Debug)]
pub struct DialedHop {
    /// Its name in the route.
    pub name: Rc<str>,
    /// Its name and address, as the log has them.
    pub text: Rc<str>,
}

/// Why a host did not take a message.
#[derive(Clone, Debug)]
pub struct HostFailure {
    /// What that is for whoever was to get it.
    pub result: RecipientResult,
    /// The host, if it was reached.
    pub host: Option<(DialedHop, HopFacts)>,
}

impl HostFailure {
    /// A failure that no host is to blame for by name.
    #[must_use]
    pub fn of_nobody(result: RecipientResult) -> Self {
        let host = None;
        Self { result, host }
    }

    /// The place of the try, for the log.
    pub(super) fn place(&self) -> HopPlace<'_> {
        match &self.host {
            Some((DialedHop { name, text }, facts)) => HopPlace::Host {
                name,
                text,
                facts: *facts,
            },
            None => HopPlace::None,
        }
    }
}

/// The way to one connection: which hops and addresses are left, and why the last one failed.
#[derive(Debug)]
pub struct SiteOpening {
    hops: SiteHops,
    /// The site, if a domain has named these hosts.
    mx: Option<Rc<MxSite>>,
    /// The index of the present hop.
    hop: usize,
    stage: HopStage,
    /// Addresses that may yet be tried.
    tries_left: usize,
    /// What the present host has published of its certificates.
    associations: HostAssociations,
    /// The last failure that may pass.
    failure: Option<HostFailure>,
    /// The last failure that is for good, as long as there is none that may pass.
    refusal: Option<HostFailure>,
}

/// What is known of the present hop.
#[derive(Debug)]
enum HopStage {
    /// Nothing yet.
    New,
    /// Its addresses. Its associations are asked for under these names, one after the other.
    Addresses(VecDeque<SocketAddress>, VecDeque<Rc<str>>),
}

impl SiteOpening {
    /// An opening that begins with the first hop.
    #[must_use]
    pub fn new(hops: SiteHops, mx: Option<Rc<MxSite>>) -> Self {
        let tries_left = match &mx {
            Some(_) => ADDRESSES_OF_ALL_MAX,
            None => usize::MAX,
        };
        Self {
            hops,
            mx,
            hop: 0,
            stage: HopStage::New,
            tries_left,
            associations: HostAssociations::None,
            failure: None,
            refusal: None,
        }
    }

    /// An opening that has failed before it began.
    #[must_use]
    pub fn hopeless(why: RecipientResult) -> Self {
        let mut opening = Self::new(SiteHops::default(), None);
        opening.note_failure(why);
        opening
    }

    /// The present hop; `None` once all have failed.
    #[must_use]
    pub fn hop(&self) -> Option<&SiteHop> {
        self.hops.get(self.hop)
    }

    /// The site, if a domain has named its hosts, and what the present one has published of its certificates.
    #[must_use]
    pub fn mx(&self) -> Option<(&Rc<MxSite>, &HostAssociations)> {
        self.mx.as_ref().map(|mx| (mx, &self.associations))
    }

    /// Whether another address or hop is left to be tried after the present address.
    #[must_use]
    pub fn has_another(&self) -> bool {
        let addresses = match &self.stage {
            HopStage::New => 0,
            HopStage::Addresses(addresses, _) => addresses.len(),
        };
        self.tries_left > 0 && (addresses > 0 || self.hop + 1 < self.hops.len())
    }

    /// The reason why there is no connection, once nothing is left to be tried: for good only where nothing else has failed.
    #[must_use]
    pub fn failure(&self) -> Option<&HostFailure> {
        self.failure.as_ref().or(self.refusal.as_ref())
    }

    /// Goes on to the next address, or hop.
    pub fn next_step(&mut self) -> OpeningStep {
        loop {
            let Some(hop) = self.hops.get(self.hop).filter(|_| self.tries_left > 0) else {
                return OpeningStep::GiveUp;
            };
            match &mut self.stage {
                HopStage::Addresses(addresses, names) => {
                    if let Some(name) = names.front() {
                        let question = NameQuestion::new(NameKind::Associations, name);
                        return OpeningStep::LookUp(question);
                    }
                    match addresses.pop_front() {
                        Some(address) => {
                            self.tries_left -= 1;
                            return OpeningStep::Dial(address);
                        }
                        None => self.leave_hop(),
                    }
                }
                HopStage::New => match &hop.address {
                    HopAddress::Host(name, _) => {
                        let kind = match self.mx {
                            Some(_) => NameKind::MailHost,
                            None => NameKind::Host,
                        };
                        return OpeningStep::LookUp(NameQuestion::new(kind, name));
                    }
                    HopAddress::Ip(address) => self.be_at(SocketAddress::Tcp(*address)),
                    HopAddress::Unix(path) => self.be_at(SocketAddress::Unix(path.clone())),
                    HopAddress::Exchangers => {
                        debug_assert!(false, "a site has the hosts of a domain, not their name");
                        self.leave_hop();
                    }
                },
            }
        }
    }

    fn be_at(&mut self, address: SocketAddress) {
        self.stage = HopStage::Addresses([address].into(), VecDeque::new());
    }

    /// Takes the answer to the question of the last step, under these rules of hosts that domains name.
    ///
    /// # Errors
    /// What the host publishes of its certificates cannot be looked up, and so it is left.
    pub fn answered(&mut self, answer: &NameResult, rules: &MxRules) -> Result<(), TlsFailure> {
        match &self.stage {
            HopStage::New => {
                self.take_addresses(answer, rules);
                Ok(())
            }
            HopStage::Addresses(..) => self.take_associations(answer),
        }
    }

    fn take_addresses(&mut self, answer: &NameResult, rules: &MxRules) {
        let Some(hop) = self.hops.get(self.hop) else {
            return;
        };
        let (port, name) = match &hop.address {
            HopAddress::Host(name, port) => (*port, name.clone()),
            _ => {
                debug_assert!(false, "only a name is looked up");
                return;
            }
        };
        let found = match answer {
            Ok(found) => found,
            Err(why) => return self.miss(*why),
        };
        let NameRecords::Addresses(all) = &found.records else {
            debug_assert!(false, "addresses were asked for");
            return;
        };
        let tried_max = match &self.mx {
            Some(_) if self.hops.len() > 1 => ADDRESSES_OF_ONE_MAX,
            Some(_) | None => ADDRESSES_TRIED_MAX,
        };
        let addresses: Vec<IpAddr> = match self.mx {
            None => all.to_vec(),
            Some(_) => match self.admitted(all, rules) {
                Some(admitted) => admitted,
                None => return,
            },
        };
        let addresses = addresses.into_iter().take(tried_max);
        let addresses = addresses.map(|ip| SocketAddress::Tcp(SocketAddr::new(ip, port)));
        let names = self.association_names(&name, port, found);
        self.stage = HopStage::Addresses(addresses.collect(), names);
    }

    /// The addresses of the present host that mail may go to. `None`: it is ourselves, or has no such address, and is left.
    fn admitted(&mut self, addresses: &[IpAddr], rules: &MxRules) -> Option<Vec<IpAddr>> {
        let verdicts = addresses.iter().map(|address| rules.verdict(*address));
        if verdicts
            .clone()
            .any(|verdict| verdict == AddressVerdict::Ours)
        {
            self.note_host_failure(
                EnhancedStatus::new(5, 4, 6),
                "the host is ourselves (mail loop)",
            );
            // All that are left are as far as we are, or farther, and may send the mail back to us.
            self.hop = self.hops.len();
            return None;
        }
        let admitted = addresses.iter().zip(verdicts);
        let admitted = admitted.filter(|(_, verdict)| *verdict == AddressVerdict::Fine);
        let admitted: Vec<IpAddr> = admitted.map(|(address, _)| *address).collect();
        if admitted.is_empty() {
            let first = addresses.first().map(ToString::to_string);
            let first = first.unwrap_or_default();
            let why = format!("its address {first} is not one of the public Internet");
            self.note_host_failure(EnhancedStatus::new(5, 4, 4), &why);
            self.leave_hop();
            return None;
        }
        Some(admitted)
    }

    /// The names under which what a host publishes of its certificates may stand: none where its addresses are not verified, or nothing
    /// comes of it (RFC 7672 §2.2.2).
    fn association_names(&self, host: &str, port: u16, found: &NameFound) -> VecDeque<Rc<str>> {
        let heeds = self
            .mx
            .as_ref()
            .is_some_and(|mx| mx.demand.heeds_policies());
        if !heeds || !found.is_authenticated && found.canonical.is_none() {
            return VecDeque::new();
        }
        // Where the host is an alias, what it stands for comes first, if that is verified; what is not may still be the alias of a name
        // that is.
        let canonical = found
            .canonical
            .as_deref()
            .filter(|_| found.is_authenticated);
        let names = canonical.into_iter().chain([host]);
        names
            .map(|name| format!("_{port}._tcp.{name}").into())
            .collect()
    }

    fn take_associations(&mut self, answer: &NameResult) -> Result<(), TlsFailure> {
        let HopStage::Addresses(_, names) = &mut self.stage else {
            return Ok(());
        };
        let Some(name) = names.pop_front() else {
            debug_assert!(false, "an answer without a question");
            return Ok(());
        };
        match answer {
            Ok(found) if found.is_authenticated => {
                let NameRecords::Associations(all) = &found.records else {
                    debug_assert!(false, "associations were asked for");
                    return Ok(());
                };
                names.clear();
                let base = name.splitn(3, '.').nth(2).unwrap_or_default();
                self.associations = match usable(all).next() {
                    None => HostAssociations::Unusable,
                    Some(_) => HostAssociations::Usable(Rc::clone(all), base.into()),
                };
            }
            // Not verified, or there is nothing.
            Ok(_) => {}
            Err(why) if why.is_certain() => {}
            Err(why) => {
                // Whoever could keep us from hearing of them would have the mail in the clear.
                let account = format!("what it publishes for DANE cannot be looked up: {why}");
                self.note_host_failure(EnhancedStatus::new(4, 7, 5), &account);
                self.leave_hop();
                return Err(TlsFailure::DnssecInvalid);
            }
        }
        Ok(())
    }

    /// Notes that the name of the present host has no address, or that nobody knows.
    fn miss(&mut self, why: NameError) {
        // A name of the operator's is temporary trouble, whatever name servers say.
        let is_for_good = self.mx.is_some() && why.is_certain();
        let status = match is_for_good {
            true => EnhancedStatus::new(5, 4, 4),
            false => EnhancedStatus::new(4, 4, 3),
        };
        self.note_host_failure(status, &why.to_string());
        self.leave_hop();
    }

    /// Notes that nothing can come of the present host, for good or for now as the status says.
    fn note_host_failure(&mut self, status: EnhancedStatus, why: &str) {
        let host = self.hop().map_or("", |hop| &*hop.name);
        let class = match status.class() {
            5 => ResultClass::Failed,
            _ => ResultClass::NextHost,
        };
        self.note_failure(RecipientResult::local(
            class,
            status,
            format_args!("{host}: {why}"),
        ));
    }

    fn note_failure(&mut self, why: RecipientResult) {
        let failure = HostFailure::of_nobody(why);
        match failure.result.class {
            ResultClass::Failed => self.refusal = Some(failure),
            _ => self.failure = Some(failure),
        }
    }

    /// Notes that the present address has failed.
    pub fn failed(&mut self, why: HostFailure) {
        self.failure = Some(why);
    }

    fn leave_hop(&mut self) {
        self.hop += 1;
        self.stage = HopStage::New;
        self.associations = HostAssociations::None;
    }
}
