//! Finds the server that a user means: by its address, by its name, or because it is the only one.

use std::io::{BufRead, Write};
use std::net::ToSocketAddrs;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use log::{info, warn};

use super::ask::{ask, ask_for_host, host_missing};
use super::browse::Browser;
use super::choose;
use super::follow::Whereabouts;
use super::found::Found;
use super::last::Last;
use super::list::columns;
use super::target::{Target, Wanted, check_adapter};
use super::trust::{self, Trust};
use crate::addresses;
use crate::error::{Error, Result};
use crate::shutdown::Shutdown;
use crate::threads::{Priority, spawn};

/// The user is told that there is no server when none was found within this long.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Looking that takes longer than this is mentioned.
const SAY_SO: Duration = Duration::from_secs(1);

/// The name system has this long before a server of the name is preferred to a host of the name.
const RESOLVE: Duration = Duration::from_millis(1500);

/// How long nobody is looked for after nobody was found.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// How often what was heard is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What a client knows of the server that it looks for.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// What the user named, if anything.
    pub wanted: Option<&'a Wanted>,
    /// Its TCP port, if the user said one.
    pub port: Option<u16>,
    /// Whether servers may be looked for on this network.
    pub discovery: bool,
    /// Whether it is to hear a microphone.
    pub hears: bool,
    /// Whether any server that is found may hear it, without a question.
    pub may_hear_unasked: bool,
}

/// Finds the server that is `sought`. Somebody sits there to be asked if `interactive`.
///
/// # Errors
/// [`Error::Usage`] where a choice is needed, or whether the server may hear the microphone, and nobody can
/// be asked; [`Error::NoServer`] and
/// [`Error::Unresolved`] where there is none; [`Error::Internal`] if the system refuses to look.
pub fn server(sought: Sought<'_>, interactive: bool) -> Result<Whereabouts> {
    match find(sought, interactive)? {
        Whereabouts::Found(followed) if sought.hears => {
            let found = followed.into_found();
            let heard_at = if sought.may_hear_unasked {
                found.addresses.iter().map(|address| address.ip()).collect()
            } else {
                let (mut input, mut output) = (std::io::stdin().lock(), std::io::stderr());
                let person = interactive.then_some((&mut input, &mut output));
                trust::decide(&mut Trust::remembered(), &found, person)?
            };
            Ok(Whereabouts::found(found, heard_at))
        }
        place => Ok(place),
    }
}

/// Finds the server that is `sought`, however long it takes to come: nobody sits there. `None` where stopping
/// is asked for meanwhile.
///
/// # Errors
/// As [`server`], but for what time may mend: no server, a name that nobody knows yet, several where one is wanted.
pub fn patiently(sought: Sought<'_>, shutdown: &Shutdown) -> Result<Option<Whereabouts>> {
    let mut said = false;
    loop {
        // Before the network is there, its names lead nowhere.
        let place = server(sought, false).and_then(|mut place| place.addresses().map(|_| place));
        let failed = match place {
            Ok(place) => return Ok(Some(place)),
            Err(failed) => failed,
        };
        let is_choice = sought.wanted.is_none() && sought.discovery && !sought.hears;
        let may_mend = match failed {
            Error::NoServer { .. } | Error::Unresolved { .. } => true,
            Error::Usage { .. } => is_choice,
            _ => false,
        };
        if !may_mend {
            return Err(failed);
        }
        if !said {
            warn!("{failed}. Looking again until it works");
            said = true;
        }
        if shutdown.sleep(LOOK_AGAIN) {
            return Ok(None);
        }
    }
}

fn find(sought: Sought<'_>, interactive: bool) -> Result<Whereabouts> {
    let Sought { wanted, port, discovery, .. } = sought;
    match wanted {
        Some(Wanted::Host(target)) => {
            check_adapter(target, &addresses::zones(&addresses::here().0))?;
            Ok(Whereabouts::Told(target.clone()))
        }
        Some(Wanted::Word(word)) => by_name(word, port, interactive),
        None if discovery => any(port, interactive),
        None if interactive => by_hand(port),
        None => Err(host_missing()),
    }
}

/// The only server on the network, or the one that is picked from several.
fn any(port: Option<u16>, interactive: bool) -> Result<Whereabouts> {
    let found = look(None, port, &mut Browser::start()?, None)?;
    let Seen::Servers(servers) = found else { return Err(choose::none(&[], None, port)) };
    match &servers[..] {
        [] if interactive => {
            let mut stderr = std::io::stderr();
            // The question says the rest.
            let _ = writeln!(stderr, "{}.", choose::none(&[], None, port));
            by_hand(port)
        }
        [] => Err(choose::none(&[], None, port)),
        [only] => Ok(chosen(only, interactive)),
        several if interactive => {
            let mut stdin = std::io::stdin().lock();
            let last = Last::remembered().and_then(|last| last.among(several));
            let picked = pick(several, last, &mut stdin, &mut std::io::stderr())?;
            Ok(chosen(&picked, interactive))
        }
        several => Err(choose::several(several, None)),
    }
}

/// The server that was chosen, which is remembered where a person sits.
fn chosen(found: &Found, interactive: bool) -> Whereabouts {
    if interactive {
        Last::keep(found);
    }
    found.clone().into()
}

fn by_hand(port: Option<u16>) -> Result<Whereabouts> {
    let mut stdin = std::io::stdin().lock();
    ask_for_host(&mut stdin, &mut std::io::stderr(), port).map(Whereabouts::Told)
}

/// A host of that name if there is one, else the server that is called so.
fn by_name(word: &str, port: Option<u16>, interactive: bool) -> Result<Whereabouts> {
    // What cannot be a host's name, such as two words, need not be looked up.
    let host = Target::parse(word, port).ok();
    let resolved = host.clone().map(resolve).transpose()?;
    let mut browser = Browser::start()?;
    let name = word.strip_suffix(".local").unwrap_or(word);
    match look(Some(name), port, &mut browser, resolved.as_ref())? {
        Seen::Host => host.map(Whereabouts::Told).ok_or_else(host_missing),
        Seen::Servers(servers) => match &servers[..] {
            [] => Err(choose::none(&browser.servers(), Some(word), port)),
            [one] => Ok(chosen(one, interactive)),
            several => Err(choose::several(several, Some(word))),
        },
    }
}

enum Seen {
    /// The word is a host's name.
    Host,
    /// All that are meant.
    Servers(Vec<Found>),
}

/// Looks until everybody who is meant had the time to answer, or nobody did for too long. `host`
/// tells whether the name system knows the name.
fn look(
    name: Option<&str>,
    port: Option<u16>,
    browser: &mut Browser,
    host: Option<&Receiver<bool>>,
) -> Result<Seen> {
    let begun = Instant::now();
    let (mut first, mut said, mut asking) = (None, false, host.is_some());
    loop {
        browser.listen(LOOK);
        let looked = begun.elapsed();
        match host.map(Receiver::try_recv) {
            Some(Ok(true)) => return Ok(Seen::Host),
            Some(Ok(false) | Err(TryRecvError::Disconnected)) => asking = false,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        let meant = choose::meant(&browser.servers(), name, port);
        if !meant.is_empty() {
            first = first.or(Some(looked));
        }
        let exact =
            matches!((name, &meant[..]), (Some(name), [one]) if choose::is_called(one, name));
        let may_decide = !asking || looked >= RESOLVE;
        let is_settled = may_decide && (exact || choose::is_settled(looked, first));
        if is_settled || looked >= GIVE_UP {
            return Ok(Seen::Servers(meant));
        }
        if looked >= SAY_SO && !said {
            info!("looking for servers on this network");
            said = true;
        }
    }
}

/// Asks the name system, which can take longer than anybody wants to wait.
fn resolve(host: Target) -> Result<Receiver<bool>> {
    let (answer, answers) = sync_channel(1);
    // One that breaks is one that does not answer.
    let nobody = Shutdown::default();
    let _left_alone = spawn("resolver", Priority::Ordinary, &nobody, move || {
        let known = (host.host.as_str(), host.port).to_socket_addrs();
        let _ = answer.send(known.is_ok_and(|mut addresses| addresses.next().is_some()));
    })?;
    Ok(answers)
}

/// Shows the servers with numbers and asks for one of them. Enter alone takes that of `last`, if there is one.
fn pick(
    servers: &[Found],
    last: Option<usize>,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<Found> {
    let rows: Vec<[String; 3]> = servers
        .iter()
        .zip(1..)
        .map(|(found, number)| {
            let mut remarks = found.details.remarks();
            if last.is_some_and(|last| last + 1 == number) {
                remarks = format!("{remarks}  the last one").trim_start().to_owned();
            }
            [format!("{number:>3}"), found.name.clone(), remarks]
        })
        .collect();
    let broken = |error| Error::internal("cannot ask for the server", error);
    writeln!(output, "Servers on this network:\n{}", columns(&rows)).map_err(broken)?;
    let enter = last.map(|last| format!(", Enter for {}", last + 1)).unwrap_or_default();
    let question = format!("Which one (1 to {}{enter})? ", servers.len());
    let missing = choose::several(servers, None);
    let last = last.and_then(|last| servers.get(last));
    ask(input, output, &question, missing, |answer| match last {
        Some(last) if answer.is_empty() => Ok(last.clone()),
        _ => choose::answered(servers, answer),
    })
}

#[cfg(test)]
mod tests {
    use super::super::found::example;
    use super::*;

    fn asked(answers: &str) -> (Result<Found>, String) {
        asked_after(None, answers)
    }

    fn asked_after(last: Option<usize>, answers: &str) -> (Result<Found>, String) {
        let mut attic = example("attic", "192.0.2.1:5555");
        attic.details.full = true;
        let mut cellar = example("cellar", "192.0.2.2:5555");
        cellar.details.private = true;
        let servers = [attic, cellar];
        let mut shown = Vec::new();
        let answer = pick(&servers, last, &mut answers.as_bytes(), &mut shown);
        (answer, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn one_of_several_is_picked_by_its_number() {
        let (answer, shown) = asked("2\n");
        assert_eq!(answer.unwrap().name, "cellar");
        assert_eq!(
            shown,
            "Servers on this network:\n  1  attic   full\n  2  cellar  private\nWhich one (1 to 2)? "
        );
    }

    #[test]
    fn enter_takes_the_one_that_was_listened_to_last_and_nothing_where_there_is_none() {
        let (answer, shown) = asked_after(Some(1), "\n");
        assert_eq!(answer.unwrap().name, "cellar");
        assert!(
            shown.contains("cellar  private  the last one\nWhich one (1 to 2, Enter for 2)? "),
            "{shown}"
        );
        assert_eq!(asked_after(Some(1), "1\n").0.unwrap().name, "attic");
        assert!(asked_after(Some(1), "").0.is_err(), "nobody sits there any more");
        assert!(asked("\n").0.is_err());
    }

    #[test]
    fn a_wrong_number_is_asked_again_and_no_answer_is_the_end() {
        let (answer, shown) = asked("7\n1\n");
        assert_eq!(answer.unwrap().name, "attic");
        assert!(shown.contains("“7” is none of these servers. Type a number from 1 to 2"));
        let (answer, _) = asked("");
        assert!(answer.unwrap_err().to_string().starts_with("2 servers are on this network"));
    }
}
