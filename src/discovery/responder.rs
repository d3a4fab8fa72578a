//! Answers those who look for servers (RFC 6762, RFC 6763), for one server. It takes bytes,
//! addresses and the time and gives datagrams; it knows no socket and no clock.
//!
//! A server has only to answer, so nothing that others say is kept but for a few questions that go on in
//! the next message: memory is what [`MOST_LINKS`] links take, whatever comes. An answer to all goes out once a second at most. An answer to one asker
//! alone goes out a bounded number of times, and only to an asker on the same network.

mod link;
mod message;
mod records;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use link::{Due, Link};
use message::{Reader, Record, Section, TOP_BIT, Writer};
use records::{Manner, Own, Say, Set};

pub use link::{LinkId, Local};
pub use records::Service;

use super::found::MOST_ADDRESSES;

/// Network adapters, each counted for IPv4 and IPv6, that a server is announced on at most. A PC full
/// of containers has as many; beyond it nobody looks.
pub const MOST_LINKS: usize = 64;

/// The port that mDNS speaks on.
pub const PORT: u16 = 5353;

/// Answers that others may give too wait for a random time, so that they do not collide: 20 to 120 ms
/// (RFC 6762, section 6).
const SHARED_WAIT_MS: (u64, u64) = (20, 120);

/// An asker who knows more than fits one message says the rest in further ones. They are waited for
/// this long from each on (RFC 6762, section 7.2), in ms.
const REST_WAIT_MS: (u64, u64) = (400, 500);

/// Askers whose rest is waited for at a time; whoever comes then is answered at once.
const MOST_UNFINISHED: usize = 8;

/// Messages of one such question that are waited for at most: what three hundred servers are called.
const MOST_RESTS: u8 = 4;

/// The first question for the name waits up to this long, since a power cut ends for all at once
/// (RFC 6762, section 8.1), in ms.
const FIRST_PROBE_MS: u64 = 250;

/// A server that wanted a name at the same moment as another and lost asks again after this (RFC
/// 6762, section 8.2).
const AFTER_DEFEAT: Duration = Duration::from_secs(1);

/// After so many conflicts within that time the next attempt waits for another while (RFC 6762,
/// section 8.1): nobody can have us ask and rename without end.
const MANY_CONFLICTS: u8 = 15;
const CONFLICTS_WITHIN: Duration = Duration::from_secs(10);
const AFTER_MANY: Duration = Duration::from_secs(5);

/// The last number behind a name. A name leaves room for two digits.
const LAST_NUMBER: u8 = 99;

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Through this link.
    pub link: LinkId,
    /// To this asker alone; nothing: to all who listen there.
    pub to: Option<SocketAddr>,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// Something that was received.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// On this link.
    pub link: LinkId,
    /// From there.
    pub from: SocketAddr,
    /// Whether it was certainly sent to all: then it comes from this link whatever its address says.
    pub to_all: bool,
    /// What it says.
    pub bytes: &'a [u8],
}

/// A server's part in mDNS.
#[derive(Debug)]
pub struct Responder {
    own: Own,
    label: String,
    /// The number behind the name; 1 is none.
    number: u8,
    links: BTreeMap<LinkId, Link>,
    /// Questions that go on.
    unfinished: Vec<Unfinished>,
    /// When the conflicts began that are counted, and how many there were.
    conflicts: (Duration, u8),
    random: u64,
}

impl Responder {
    /// A server called `label` (1 to 58 bytes without a dot) on `port`, on no link yet. `text` is the content
    /// of its TXT record, at most a few hundred bytes; `random` must differ from every other server's.
    #[must_use]
    pub fn new(service: Service, label: &str, port: u16, text: Vec<u8>, random: u64) -> Self {
        // The PC's own host name is the system's to announce. This one is asked for by nobody else:
        // 64 random bits.
        let host = format!("auralync-{random:016x}");
        Self {
            own: Own::new(service, label, &host, port, text),
            label: label.to_owned(),
            number: 1,
            links: BTreeMap::new(),
            unfinished: Vec::new(),
            conflicts: (Duration::ZERO, 0),
            random: random | 1,
        }
    }

    /// What listeners find the server as.
    #[must_use]
    pub fn name(&self) -> String {
        match self.number {
            1 => self.label.clone(),
            number => format!("{} ({number})", self.label),
        }
    }

    /// Which links there are now, and this PC's addresses on each. Of both, what is beyond
    /// [`MOST_LINKS`] and [`MOST_ADDRESSES`] is left out.
    pub fn set_links(&mut self, now: Duration, links: &BTreeMap<LinkId, Vec<Local>>) {
        self.links.retain(|id, _| links.contains_key(id));
        self.unfinished.retain(|one| links.contains_key(&one.link));
        for (&id, addresses) in links {
            let addresses: Vec<Local> = addresses.iter().take(MOST_ADDRESSES).copied().collect();
            let has_room = self.links.len() < MOST_LINKS;
            match self.links.get_mut(&id) {
                Some(link) if link.addresses == addresses => {}
                Some(link) => {
                    link.addresses = addresses;
                    link.announce(now);
                }
                None if has_room => {
                    let wait = Duration::from_millis(self.random(0, FIRST_PROBE_MS));
                    self.links.insert(id, Link::new(addresses, now + wait));
                }
                None => {}
            }
        }
    }

    /// What the server says of itself from now on: its TXT record's content.
    pub fn set_text(&mut self, now: Duration, text: Vec<u8>) {
        if self.own.tell(text) {
            self.links.values_mut().for_each(|link| link.announce(now));
        }
    }

    /// Takes what was received. An asker who wants an answer alone gets the one that is returned.
    pub fn hear(&mut self, now: Duration, heard: Heard<'_>) -> Option<Datagram> {
        let link = self.links.get(&heard.link)?;
        let is_beside = link.is_beside(heard.from);
        if !is_beside && !heard.to_all {
            return None;
        }
        let mut reader = Reader::new(heard.bytes);
        let header = reader.header()?;
        if header.is_answer {
            // Who answers does so from this port (RFC 6762, section 11).
            if heard.from.port() == PORT && self.is_contradicted(reader, &header) {
                self.lose(now, heard.link);
            }
            return None;
        }
        let is_rest = header.questions == 0;
        if is_rest && self.go_on(now, heard, reader.clone(), &header) {
            return None;
        }
        let question = self.read_question(heard.link, reader, &header)?;
        if question.claims.as_ref().is_some_and(|_| !self.is_ours(heard.link)) {
            self.compare(now, heard.link, question.claims.unwrap_or_default());
            return None;
        }
        let (link, from) = (heard.link, heard.from);
        let unfinished =
            Unfinished { link, from, is_beside, header, question, until: now, rests: 0 };
        let is_unfinished = header.goes_on
            && from.port() == PORT
            && unfinished.question.claims.is_none()
            && !unfinished.question.asked.is_empty()
            && self.unfinished.len() < MOST_UNFINISHED;
        if is_unfinished {
            let until = now + self.rest_wait();
            self.unfinished.push(Unfinished { until, ..unfinished });
            return None;
        }
        self.answer(now, unfinished)
    }

    fn rest_wait(&mut self) -> Duration {
        Duration::from_millis(self.random(REST_WAIT_MS.0, REST_WAIT_MS.1))
    }

    /// Takes what an asker says further of what it knows. False if it has not begun.
    fn go_on(
        &mut self,
        now: Duration,
        heard: Heard<'_>,
        mut reader: Reader<'_>,
        header: &message::Header,
    ) -> bool {
        let wait = self.rest_wait();
        let Self { own, unfinished, .. } = self;
        let mut begun = unfinished.iter_mut();
        let Some(one) = begun.find(|one| one.link == heard.link && one.from == heard.from) else {
            return false;
        };
        for _ in 0..header.records[0] {
            let Some(record) = reader.record() else { break };
            one.question.leave_out(own, &record);
        }
        one.rests += 1;
        if header.goes_on && one.rests < MOST_RESTS {
            one.until = now + wait;
        }
        true
    }

    /// Answers those whose rest is not waited for any longer.
    fn finish(&mut self, now: Duration) -> Vec<Datagram> {
        let is_over = |one: &mut Unfinished| one.until <= now;
        let over: Vec<Unfinished> = self.unfinished.extract_if(.., is_over).collect();
        over.into_iter().filter_map(|one| self.answer(now, one)).collect()
    }

    /// What is to be sent now, to all or to one who asked.
    pub fn due(&mut self, now: Duration) -> Vec<Datagram> {
        let mut datagrams = self.finish(now);
        for (&id, link) in &mut self.links {
            while let Some(due) = link.due(now) {
                let bytes = match due {
                    Due::Probe => self.own.probe(),
                    Due::Say(set) => {
                        let added = link.added_to(set, now);
                        let mut writer = Writer::answer(0);
                        let ips = link.ips();
                        let own = &self.own;
                        own.write(&mut writer, Section::Answer, set, &ips, Manner::Usual);
                        own.write(&mut writer, Section::Additional, added, &ips, Manner::Usual);
                        writer.finish()
                    }
                };
                datagrams.push(Datagram { link: id, to: None, bytes });
            }
        }
        datagrams
    }

    /// When [`due`](Self::due) has something next.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let unfinished = self.unfinished.iter().map(|one| one.until);
        self.links.values().filter_map(Link::next).chain(unfinished).min()
    }

    /// What `due` gave for that link could not be sent.
    pub fn failed(&mut self, now: Duration, link: LinkId) {
        if let Some(link) = self.links.get_mut(&link) {
            link.failed(now);
        }
    }

    /// Says that the server is gone.
    #[must_use]
    pub fn goodbye(&self) -> Vec<Datagram> {
        let ours = self.links.iter().filter(|(_, link)| link.is_ours());
        ours.map(|(&id, link)| {
            let mut writer = Writer::answer(0);
            let set = Say::ANNOUNCED;
            self.own.write(&mut writer, Section::Answer, set, &link.ips(), Manner::Goodbye);
            Datagram { link: id, to: None, bytes: writer.finish() }
        })
        .collect()
    }

    fn is_ours(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(Link::is_ours)
    }

    fn is_contradicted(&self, mut reader: Reader<'_>, header: &message::Header) -> bool {
        for _ in 0..header.questions {
            if reader.question().is_none() {
                return false;
            }
        }
        let mut records = std::iter::from_fn(|| reader.record());
        let count = header.records.iter().map(|&count| usize::from(count)).sum();
        records.by_ref().take(count).any(|record| self.own.is_contradicted(&record))
    }

    /// Notes that somebody else has the name: where it was ours it is asked for again, else another
    /// is.
    fn lose(&mut self, now: Duration, link: LinkId) {
        if !self.is_ours(link) {
            self.number = if self.number < LAST_NUMBER { self.number + 1 } else { 2 };
            self.own.call(&self.name());
        }
        if now.saturating_sub(self.conflicts.0) >= CONFLICTS_WITHIN {
            self.conflicts = (now, 0);
        }
        self.conflicts.1 = self.conflicts.1.saturating_add(1);
        let wait = if self.conflicts.1 > MANY_CONFLICTS { AFTER_MANY } else { Duration::ZERO };
        self.links.values_mut().for_each(|link| link.probe(now + wait));
    }

    /// Two ask for one name at the same moment: who has the greater records gets it.
    fn compare(&mut self, now: Duration, link: LinkId, mut theirs: Vec<(u16, u16, Vec<u8>)>) {
        theirs.sort();
        if theirs > self.own.claim()
            && let Some(link) = self.links.get_mut(&link)
        {
            link.probe(now + AFTER_DEFEAT);
        }
    }

    fn read_question(
        &self,
        link: LinkId,
        mut reader: Reader<'_>,
        header: &message::Header,
    ) -> Option<Question> {
        let ips = self.links.get(&link)?.ips();
        let mut question = Question {
            asked: Set::default(),
            alone: true,
            unknown: ips.clone(),
            claims: None,
            echo: None,
        };
        for _ in 0..header.questions {
            let one = reader.question()?;
            let asked = self.own.asked(&one, &ips);
            question.alone &= asked.is_empty() || one.class & TOP_BIT != 0;
            asked.iter().for_each(|say| question.asked.insert(say));
            question.echo = Some(one);
        }
        let [answers, authorities, _] = header.records;
        for _ in 0..answers {
            let record = reader.record()?;
            question.leave_out(&self.own, &record);
        }
        for _ in 0..authorities {
            let Record { name, kind, class, data, .. } = reader.record()?;
            if name == self.own.instance
                && question.claims.as_ref().is_none_or(|c| c.len() < MOST_CLAIMS)
            {
                question.claims.get_or_insert_default().push((class & !TOP_BIT, kind, data));
            }
        }
        Some(question)
    }

    fn answer(&mut self, now: Duration, question: Unfinished) -> Option<Datagram> {
        let Unfinished { link: id, from, is_beside, header, question, .. } = question;
        let shared_wait = self.random(SHARED_WAIT_MS.0, SHARED_WAIT_MS.1);
        let link = self.links.get_mut(&id)?;
        let Question { asked, alone, claims, echo, .. } = question;
        if !link.is_ours() || asked.is_empty() {
            return None;
        }
        let is_legacy = from.port() != PORT;
        let is_probe = claims.is_some();
        let to_one = is_beside && (is_legacy || (alone && !is_probe));
        if to_one && link.may_answer_alone(now) {
            let ips = link.ips();
            let (mut writer, manner) = if is_legacy {
                // Such an asker wants its question back, and asks one at a time.
                let mut writer = Writer::answer(header.id);
                let echo = echo.filter(|_| header.questions == 1)?;
                writer.ask(&echo.name, echo.kind, echo.class & !TOP_BIT);
                (writer, Manner::Legacy)
            } else {
                (Writer::answer(0), Manner::Usual)
            };
            let next = asked.followed_by();
            self.own.write(&mut writer, Section::Answer, asked, &ips, manner);
            self.own.write(&mut writer, Section::Additional, next, &ips, manner);
            let bytes = writer.finish();
            return Some(Datagram { link: id, to: Some(from), bytes });
        }
        if is_legacy {
            return None;
        }
        for say in asked.iter() {
            let is_shared = say.is_shared() && !is_probe;
            let wait = if is_shared { Duration::from_millis(shared_wait) } else { Duration::ZERO };
            link.want(say, now + wait, is_probe);
        }
        None
    }

    /// A number from `low` up to and without `high` (xorshift; it is to be different, not secret).
    fn random(&mut self, low: u64, high: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        low + self.random % (high - low)
    }
}

/// Records that somebody who asks for our name would give it: TXT and SRV, and a few that a later
/// version may add.
const MOST_CLAIMS: usize = 8;

/// A question, as far as it has come, and where its answer goes.
#[derive(Debug)]
struct Unfinished {
    link: LinkId,
    from: SocketAddr,
    is_beside: bool,
    header: message::Header,
    question: Question,
    /// When it is answered, whatever else comes.
    until: Duration,
    /// Further messages that belonged to it.
    rests: u8,
}

/// What a message asks of us.
#[derive(Debug)]
struct Question {
    asked: Set,
    /// Our addresses that the asker has not said it knows.
    unknown: Vec<IpAddr>,
    /// All of it is to be answered to the asker alone.
    alone: bool,
    /// What the asker would say of our name, if it wants that name.
    claims: Option<Vec<(u16, u16, Vec<u8>)>>,
    /// The last question.
    echo: Option<message::Question>,
}

#[cfg(test)]
mod tests;

impl Question {
    /// What the asker knows is not to be said again.
    fn leave_out(&mut self, own: &Own, record: &Record) {
        if let Some(say) = own.known(record) {
            self.asked.remove(say);
        }
        if let Some(known) = own.known_address(record) {
            self.unknown.retain(|ip| *ip != known);
        }
        if self.unknown.is_empty() {
            self.asked.remove(Say::Addresses);
        }
    }
}
