//! Every step of every check counts: played against a server that gives each answer as it is awaited, the check passes; where one
//! answer is another, is missing or comes too early, it fails at that step. Nothing of it takes time or a socket.

use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::judge::check::{CheckAction, CheckStep, Dialect, ExpectedAnswer, JudgedSide};
use mailoop::judge::play::{CheckPlay, PeerEnd, PlayOrder, PlayTerms};
use mailoop::judge::set::{CheckSet, SelectedCheck};
use mailoop::judge::verdict::{CheckFailureKind, CheckVerdict};

/// A fault of the server, at one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    /// It says something else.
    Wrong,
    /// It says nothing.
    Silence,
    /// It closes the connection.
    Closes,
    /// It says something that nobody asked for.
    TooEarly,
    /// Its lines end in LF.
    BareLf,
    /// It offers no extension.
    OffersNothing,
}

fn terms() -> Rc<PlayTerms> {
    Rc::new(PlayTerms {
        from: "ada@example.com".to_owned(),
        to: "bob@example.org".to_owned(),
        to2: "eve@example.org".to_owned(),
        end: None,
        learns_end: false,
        timeout: Duration::from_secs(5),
    })
}

/// The answer that a step awaits; another one where that is planted.
fn answer(step: &CheckStep, planted: Option<Planted>) -> Option<String> {
    let CheckAction::Hear(expectation) = &step.action else {
        return None;
    };
    let is_right = |code: &&str| {
        expectation.any.iter().any(|answer| match answer {
            ExpectedAnswer::Code(digits) => code.starts_with(digits.as_str()),
            _ => false,
        })
    };
    if planted == Some(Planted::Wrong) {
        let wrong = ["451", "354", "250"]
            .into_iter()
            .find(|code| !is_right(code));
        return Some(format!("{} wrong\r\n", wrong.unwrap()));
    }
    let code = ["250", "220", "221", "354", "500", "503"]
        .into_iter()
        .find(is_right);
    let code = code.unwrap_or_else(|| panic!("which reply fits {}?", expectation.shown));
    let keywords = ["PIPELINING", "8BITMIME"];
    let offered = keywords
        .map(|keyword| format!("{code}-{keyword}\r\n"))
        .concat();
    let text = match planted {
        Some(Planted::OffersNothing) => format!("{code} name\r\n"),
        _ => format!("{code}-name\r\n{offered}{code} end\r\n"),
    };
    let text = text.repeat(expectation.count);
    Some(match planted {
        Some(Planted::BareLf) => text.replace('\r', ""),
        _ => text,
    })
}

/// Plays a check against a server with this fault at this step; some faults are there from the start.
fn play(selected: &SelectedCheck, planted: Option<(usize, Planted)>) -> CheckVerdict {
    let mut now = Instant::now();
    let mut play = CheckPlay::new(Rc::clone(&selected.steps), terms(), now);
    // The peers that have their answer to the step of this number.
    let mut answered: Vec<(usize, u8)> = Vec::new();
    let mut turns = 0;
    while !play.is_over() {
        turns += 1;
        assert!(turns < 100_000, "{}: it never ends", selected.check.name);
        while let Some(order) = play.next(now) {
            match order {
                PlayOrder::Connect { peer, .. } => play.connected(peer, now),
                PlayOrder::Send { peer, octets } => {
                    if octets.ends_with(b"QUIT\r\n") && play.present_step().is_none() {
                        play.ended(peer, PeerEnd::Closed, now);
                    }
                }
                PlayOrder::Close { .. } => {}
            }
        }
        let Some((number, step)) = play.present_step() else {
            now = play.deadline().unwrap_or(now).max(now);
            continue;
        };
        let here = planted.filter(|(at, fault)| {
            *at == number || matches!(fault, Planted::BareLf | Planted::OffersNothing)
        });
        let fault = here.map(|(_, fault)| fault);
        let step = step.clone();
        let mut has_said = false;
        for peer in step.peers.numbers() {
            if answered.contains(&(number, peer)) || !play.is_there(peer) {
                continue;
            }
            answered.push((number, peer));
            has_said = true;
            match (&step.action, fault) {
                (CheckAction::Hear(_) | CheckAction::Closed { .. }, Some(Planted::Silence)) => {}
                (CheckAction::Hear(_), Some(Planted::Closes)) => {
                    play.ended(peer, PeerEnd::Closed, now);
                }
                (CheckAction::Hear(_), fault) => {
                    let answer = answer(&step, fault).unwrap();
                    play.received(peer, answer.as_bytes(), now);
                }
                (CheckAction::Quiet(_), Some(Planted::TooEarly)) => {
                    play.received(peer, b"250 early\r\n", now);
                }
                (CheckAction::Closed { .. }, _) => play.ended(peer, PeerEnd::Closed, now),
                _ => has_said = false,
            }
        }
        if !has_said {
            now = play.deadline().unwrap_or(now).max(now);
        }
    }
    play.take_outcome(now).verdict
}

/// The checks of every dialect, each once.
fn checks() -> Vec<SelectedCheck> {
    let set = CheckSet::built_in(JudgedSide::Server).unwrap();
    let mut all = set.select(Dialect::Rfc5321, &[]).unwrap();
    for selected in set.select(Dialect::Classroom, &[]).unwrap() {
        if !all
            .iter()
            .any(|known| known.check.name == selected.check.name)
        {
            all.push(selected);
        }
    }
    assert!(all.len() >= 60, "where are the checks?");
    all
}

#[test]
fn a_server_that_answers_as_it_should_passes_every_check() {
    for selected in checks() {
        let verdict = play(&selected, None);
        assert_eq!(verdict, CheckVerdict::Passed, "{}", selected.check.name);
    }
}

#[test]
fn each_answer_that_is_another_or_missing_fails_the_check_at_its_step() {
    for selected in checks() {
        let name = &selected.check.name;
        let fails_at = |number: usize, fault: Planted| {
            let verdict = play(&selected, Some((number, fault)));
            let CheckVerdict::Failed(failure) = verdict else {
                panic!("{name}: {fault:?} at {number} is {verdict:?}");
            };
            let place = &selected.steps[number].place;
            assert_eq!(&failure.place, place, "{name}: {fault:?}: {failure:?}");
            failure
        };
        let mut faults = 0;
        for (number, step) in selected.steps.iter().enumerate() {
            let wrong = match &step.action {
                CheckAction::Hear(expectation) => {
                    fails_at(number, Planted::Wrong);
                    let silence = fails_at(number, Planted::Silence);
                    assert_eq!(silence.kind, CheckFailureKind::Timeout, "{name}");
                    if !expectation.any.contains(&ExpectedAnswer::Closed) {
                        fails_at(number, Planted::Closes);
                    }
                    continue;
                }
                CheckAction::Closed { .. } => Planted::Silence,
                CheckAction::Quiet(_) => Planted::TooEarly,
                CheckAction::CrLf => Planted::BareLf,
                CheckAction::Offers(_) => {
                    let verdict = play(&selected, Some((number, Planted::OffersNothing)));
                    assert!(
                        matches!(verdict, CheckVerdict::Skipped(_)),
                        "{name}: {verdict:?}"
                    );
                    continue;
                }
                _ => continue,
            };
            fails_at(number, wrong);
            faults += 1;
        }
        let hears = |step: &CheckStep| matches!(step.action, CheckAction::Hear(_));
        assert!(faults > 0 || selected.steps.iter().any(hears), "{name}");
    }
}
