//! What holds when nobody can do anything more before time passes.

use std::collections::{BTreeMap, HashSet};

use mailoop::outbound::queue::{RecipientState, SiteId, SiteState};
use mailoop::store::spool::MailId;

use super::server::wall_ms;
use super::world::World;

/// The queue counts in eighths of a second.
const TICK_MS: u64 = 125;
/// So long mail may be tried that is over its age, and a little more.
const LAST_CHANCE_MS: u64 = 3_600_000;
/// So much later it ends each time that it could not be read then.
const PUT_OFF_MS: u64 = 600_000;
/// The longest leap of the clock, after which a mail may be past its end, and unread once more.
const LEAP_MS: u64 = 90_000_000;

/// Recipients that are left in the queue.
pub fn left(world: &mut World<'_>) -> BTreeMap<MailId, Vec<u16>> {
    let now_ms = wall_ms(&world.journal);
    let queue = world.server.outbound().queue();
    let mails = queue.mails_after(None, usize::MAX).into_iter();
    let mails = mails.map(|mail| {
        let views = queue.recipients(mail, now_ms);
        (mail, views.map(|view| view.index).collect())
    });
    mails.collect()
}

/// Whether all that is left is held.
pub fn is_only_held(world: &mut World<'_>) -> bool {
    let now_ms = wall_ms(&world.journal);
    let queue = world.server.outbound().queue();
    let mails = queue.mails_after(None, usize::MAX);
    let mut mails = mails.iter();
    mails.all(|mail| {
        let mut views = queue.recipients(*mail, now_ms);
        views.all(|view| view.state == RecipientState::Held)
    })
}

pub fn check(world: &mut World<'_>) {
    if world.server.core.is_draining() {
        let load = world.server.outbound().load();
        if load.looking_up > 0 {
            world
                .journal
                .violation(|| "a drain waits for names".to_owned());
        }
        return;
    }
    world.books.borrow_mut().counts.add("rests", 1);
    let wake = world.server.core.next_wake();
    let now = world.journal.now();
    let now_ms = wall_ms(&world.journal);
    let wake_ms = wake.map(|wake| now_ms + wake.saturating_duration_since(now).as_millis() as u64);
    let mut faults = Vec::new();
    let (live, outgoing_max, unanswered, idle) = {
        let internet = world.internet.borrow();
        (
            internet.live(),
            internet.outgoing_now,
            internet.unanswered(),
            internet.idle_sites(),
        )
    };
    if live > 0 && wake.is_none() {
        faults.push("no deadline bounds a connection".to_owned());
    }
    let answer = world.internet.borrow().next_answer();
    if answer.is_some_and(|answer| wake.is_none_or(|wake| wake > answer)) {
        faults.push("the loop does not wake for a name".to_owned());
    }
    let books = world.books.clone();
    let lifetime_ms = world.server.lifetime_ms;
    let last_chance_ms = world
        .server
        .last_chance_ms
        .max(world.spool.borrow().told_ms);
    let outbound = world.server.outbound();
    let load = outbound.load();
    // Without a spool process all waits for the next one.
    let is_paused = !world.spool.borrow().is_ready;
    let asks = load.asking > 0 && !is_paused;
    if load.reading > 0 || asks || load.local > 0 || load.looking_up != unanswered {
        faults.push(format!("at rest is {load:?}, of {unanswered} names"));
    }
    let is_full = load.connections >= outgoing_max;
    let queue = outbound.queue();
    // A connection that was begun before its site was found down keeps the place of the one that finds out whether it is up again.
    let busy: HashSet<SiteId> = queue
        .sites_after(None, usize::MAX)
        .iter()
        .filter(|site| site.connections > 0 && site.state != SiteState::Up)
        .map(|site| site.site)
        .collect();
    let mut active = HashSet::new();
    for mail in queue.mails_after(None, usize::MAX) {
        let arrived_ms = queue.mail(mail).map_or(0, |view| view.arrived_ms);
        // Each time that it cannot be read it is put off.
        let failed_reads = books.borrow().failed_reads(mail);
        let put_off_ms = failed_reads * (PUT_OFF_MS + LEAP_MS);
        let end_ms = last_chance_ms.max(arrived_ms + lifetime_ms) + LAST_CHANCE_MS + put_off_ms;
        for view in queue.recipients(mail, now_ms) {
            match view.state {
                RecipientState::Active => drop(active.insert((mail, view.index))),
                RecipientState::Held => books.borrow_mut().held(mail, [view.index]),
                RecipientState::Expired if load.parked > 0 => {}
                RecipientState::Expired => faults.push(format!("{mail} expires and does not end")),
                RecipientState::Waiting | RecipientState::Uncertain | RecipientState::Ready => {
                    // What is due may have to wait for others to end.
                    let is_busy = busy.contains(&view.site);
                    let has_to_wait = |next| next <= now_ms && (is_full || is_busy);
                    let is_late = |next| {
                        !has_to_wait(next) && wake_ms.is_none_or(|wake| wake > next + TICK_MS)
                    };
                    if let Some(next) = view.next_ms.filter(|next| is_late(*next)) {
                        faults.push(format!(
                            "{mail} is due at {next}, and the loop wakes at {wake_ms:?}",
                        ));
                    }
                    if now_ms > end_ms {
                        faults.push(format!("{mail} should have ended at {end_ms}"));
                    }
                    let mut books = books.borrow_mut();
                    books.counts.add("deferred", u64::from(view.tries > 0));
                    let is_uncertain = view.state == RecipientState::Uncertain;
                    books.counts.add("uncertain", u64::from(is_uncertain));
                }
            }
        }
    }
    // A success of which a report tells is told with the report, for which the start of the mail is read.
    if load.parked == 0 {
        books.borrow().check_at_rest(&active);
    }
    let active = active.len();
    // Mail of a parked read is with no connection yet.
    if active < load.handed || active > load.handed && load.parked == 0 {
        faults.push(format!(
            "{active} are being sent to, and connections have {load:?}"
        ));
    }
    for site in queue.sites_after(Some(SiteId::LOCAL), usize::MAX) {
        let is_free = site.connections == 0 && !is_full;
        let is_hungry = site.ready > 0 && site.state == SiteState::Up && !is_paused;
        if is_hungry && is_free {
            faults.push(format!("nobody sends what is ready: {site:?}"));
        }
        let is_idle = idle.contains(site.name);
        if is_hungry && is_idle {
            faults.push(format!("an idle connection has no mail: {site:?}"));
        }
    }
    for fault in faults {
        world.journal.violation(|| fault);
    }
}
