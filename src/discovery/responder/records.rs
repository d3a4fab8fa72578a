//! What a server has to say on the network, and which of it a question asks for.

use std::net::IpAddr;

use super::message::{ANY, INTERNET, Name, Question, Record, Section, TOP_BIT, Writer, kind};

/// Records that name a host or lead to one hold for two minutes, all others for 75
/// (RFC 6762, section 10), in seconds.
const HOST_TTL: u32 = 120;
const OTHER_TTL: u32 = 75 * 60;

/// Askers without mDNS keep an answer no longer than this (RFC 6762, section 6.7), in seconds.
pub(super) const LEGACY_TTL: u32 = 10;

/// What a server is looked for as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// By our own listeners.
    Auralync,
    /// By players of Snapcast.
    Snapcast,
}

impl Service {
    fn word(self) -> &'static str {
        match self {
            Self::Auralync => "_auralync",
            Self::Snapcast => "_snapcast",
        }
    }
}

/// Something that is said as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    /// There is a service of this type.
    Types,
    /// There is an instance of it.
    Instance,
    /// Its host and port.
    Place,
    /// What it says of itself.
    Text,
    /// The host's addresses.
    Addresses,
    /// The instance has a place and a text and nothing else.
    NoMoreOfInstance,
    /// The host has such addresses and nothing else.
    NoMoreOfHost,
}

impl Say {
    pub(super) const ALL: [Self; 7] = [
        Self::Types,
        Self::Instance,
        Self::Place,
        Self::Text,
        Self::Addresses,
        Self::NoMoreOfInstance,
        Self::NoMoreOfHost,
    ];

    /// What is announced without a question.
    pub(super) const ANNOUNCED: Set = Set(1 << Self::Instance as u8
        | 1 << Self::Place as u8
        | 1 << Self::Text as u8
        | 1 << Self::Addresses as u8);

    /// Whether other servers say it too, so that all of them must not answer at once.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Types | Self::Instance)
    }
}

/// Some of what there is to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Set(u8);

impl Set {
    pub(super) fn insert(&mut self, say: Say) {
        self.0 |= 1 << say as u8;
    }

    pub(super) fn remove(&mut self, say: Say) {
        self.0 &= !(1 << say as u8);
    }

    pub(super) fn contains(self, say: Say) -> bool {
        self.0 & (1 << say as u8) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Say> {
        Say::ALL.into_iter().filter(move |say| self.contains(*say))
    }

    /// What an asker will want to know next.
    pub(super) fn followed_by(self) -> Self {
        let mut next = Self::default();
        if self.contains(Say::Instance) {
            next = Say::ANNOUNCED;
        }
        if self.contains(Say::Place) {
            next.insert(Say::Addresses);
        }
        Self(next.0 & !self.0)
    }
}

/// How records are written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// For mDNS.
    Usual,
    /// For an asker who takes us for an ordinary name server.
    Legacy,
    /// It is so no longer.
    Goodbye,
}

/// A server's names and what belongs to them.
#[derive(Debug)]
pub(super) struct Own {
    kind: Service,
    types: Name,
    service: Name,
    pub(super) instance: Name,
    host: Name,
    port: u16,
    text: Vec<u8>,
}

impl Own {
    /// A server called `label`, on the host called `host`; `text` is its TXT record's content.
    pub(super) fn new(kind: Service, label: &str, host: &str, port: u16, text: Vec<u8>) -> Self {
        let [service, protocol, top] = [kind.word(), "_tcp", "local"];
        Self {
            kind,
            types: Name::of(&["_services", "_dns-sd", "_udp", top]),
            service: Name::of(&[service, protocol, top]),
            instance: Name::of(&[label, service, protocol, top]),
            host: Name::of(&[host, top]),
            port,
            text,
        }
    }

    pub(super) fn call(&mut self, label: &str) {
        self.instance = Name::of(&[label, self.kind.word(), "_tcp", "local"]);
    }

    /// Whether there is anything new in `text`.
    pub(super) fn tell(&mut self, text: Vec<u8>) -> bool {
        let is_new = self.text != text;
        self.text = text;
        is_new
    }

    /// What `question` asks for, of a host with these addresses.
    pub(super) fn asked(&self, question: &Question, addresses: &[IpAddr]) -> Set {
        let mut set = Set::default();
        if ![INTERNET, ANY].contains(&(question.class & !TOP_BIT)) {
            return set;
        }
        let wants = |kind| question.kind == kind || question.kind == ANY;
        if question.name == self.service && wants(kind::PTR) {
            set.insert(Say::Instance);
        } else if question.name == self.types && wants(kind::PTR) {
            set.insert(Say::Types);
        } else if question.name == self.instance {
            if wants(kind::SRV) {
                set.insert(Say::Place);
            }
            if wants(kind::TXT) {
                set.insert(Say::Text);
            }
            if set.is_empty() {
                set.insert(Say::NoMoreOfInstance);
            }
        } else if question.name == self.host {
            let has = |v4| addresses.iter().any(|ip| ip.is_ipv4() == v4);
            if wants(kind::A) && has(true) || wants(kind::AAAA) && has(false) {
                set.insert(Say::Addresses);
            } else {
                set.insert(Say::NoMoreOfHost);
            }
        }
        set
    }

    /// What somebody who says `record` knows already, and will for a while.
    pub(super) fn known(&self, record: &Record) -> Option<Say> {
        let (say, ttl) = if record.kind == kind::PTR && record.name == self.service {
            (
                record.data.eq_ignore_ascii_case(self.instance.bytes()).then_some(Say::Instance)?,
                OTHER_TTL,
            )
        } else if record.kind == kind::PTR && record.name == self.types {
            (
                record.data.eq_ignore_ascii_case(self.service.bytes()).then_some(Say::Types)?,
                OTHER_TTL,
            )
        } else if record.kind == kind::SRV && record.name == self.instance {
            (self.is_own_place(&record.data).then_some(Say::Place)?, HOST_TTL)
        } else if record.kind == kind::TXT && record.name == self.instance {
            ((record.data == self.text).then_some(Say::Text)?, OTHER_TTL)
        } else {
            return None;
        };
        (record.ttl >= ttl / 2).then_some(say)
    }

    /// Whether this address record is of our host, with which address, and for a while yet.
    pub(super) fn known_address(&self, record: &Record) -> Option<IpAddr> {
        if record.name != self.host || record.ttl < HOST_TTL / 2 {
            return None;
        }
        match record.kind {
            kind::A => <[u8; 4]>::try_from(&record.data[..]).ok().map(IpAddr::from),
            kind::AAAA => <[u8; 16]>::try_from(&record.data[..]).ok().map(IpAddr::from),
            _ => None,
        }
    }

    /// Whether somebody else says that our name is theirs. What we said ourselves comes back on many
    /// networks; the host in it is ours alone.
    pub(super) fn is_contradicted(&self, record: &Record) -> bool {
        record.kind == kind::SRV
            && record.class & !TOP_BIT == INTERNET
            && record.ttl > 0
            && record.name == self.instance
            && !self.is_own_place(&record.data)
    }

    /// Our SRV record's content.
    fn place(&self) -> Vec<u8> {
        [&[0, 0, 0, 0], &self.port.to_be_bytes()[..], self.host.bytes()].concat()
    }

    fn is_own_place(&self, data: &[u8]) -> bool {
        let own = self.place();
        data.len() == own.len()
            && data[..6] == own[..6]
            && data[6..].eq_ignore_ascii_case(&own[6..])
    }

    /// What we would say of the name that we ask for, in the order in which two who want it compare
    /// (RFC 6762, section 8.2): class, type, content.
    pub(super) fn claim(&self) -> Vec<(u16, u16, Vec<u8>)> {
        vec![(INTERNET, kind::TXT, self.text.clone()), (INTERNET, kind::SRV, self.place())]
    }

    /// Asks whether anybody has our name. The answer goes to all: a socket that hears only what is for
    /// all leaves to other programs of this PC what is for them.
    pub(super) fn probe(&self) -> Vec<u8> {
        let mut writer = Writer::question();
        writer.ask(&self.instance, ANY, INTERNET);
        for (class, kind, data) in self.claim() {
            let what = (&self.instance, kind, class, HOST_TTL);
            writer.record(Section::Authority, what, (&data, None));
        }
        writer.finish()
    }

    /// Writes what is to be said.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        section: Section,
        set: Set,
        addresses: &[IpAddr],
        manner: Manner,
    ) {
        let ttl = |usual: u32| match manner {
            Manner::Usual => usual,
            Manner::Legacy => usual.min(LEGACY_TTL),
            Manner::Goodbye => 0,
        };
        let unique = match manner {
            Manner::Legacy => INTERNET,
            Manner::Usual | Manner::Goodbye => INTERNET | TOP_BIT,
        };
        for say in set.iter() {
            match say {
                Say::Types => {
                    let what = (&self.types, kind::PTR, INTERNET, ttl(OTHER_TTL));
                    writer.record(section, what, (&[], Some(&self.service)));
                }
                Say::Instance => {
                    let what = (&self.service, kind::PTR, INTERNET, ttl(OTHER_TTL));
                    writer.record(section, what, (&[], Some(&self.instance)));
                }
                Say::Place => {
                    let what = (&self.instance, kind::SRV, unique, ttl(HOST_TTL));
                    let data = [&[0, 0, 0, 0], &self.port.to_be_bytes()[..]].concat();
                    writer.record(section, what, (&data, Some(&self.host)));
                }
                Say::Text => {
                    let what = (&self.instance, kind::TXT, unique, ttl(OTHER_TTL));
                    writer.record(section, what, (&self.text, None));
                }
                Say::Addresses => {
                    for ip in addresses {
                        let (kind, data) = match ip {
                            IpAddr::V4(ip) => (kind::A, ip.octets().to_vec()),
                            IpAddr::V6(ip) => (kind::AAAA, ip.octets().to_vec()),
                        };
                        let what = (&self.host, kind, unique, ttl(HOST_TTL));
                        writer.record(section, what, (&data, None));
                    }
                }
                Say::NoMoreOfInstance => {
                    let kinds = [kind::TXT, kind::SRV];
                    no_more(writer, section, &self.instance, (unique, ttl(HOST_TTL)), &kinds);
                }
                Say::NoMoreOfHost => {
                    let has = |v4| addresses.iter().any(|ip| ip.is_ipv4() == v4);
                    let kinds = [(has(true), kind::A), (has(false), kind::AAAA)];
                    let kinds: Vec<u16> =
                        kinds.into_iter().filter_map(|(has, kind)| has.then_some(kind)).collect();
                    no_more(writer, section, &self.host, (unique, ttl(HOST_TTL)), &kinds);
                }
            }
        }
    }
}

/// A record that says which types there are of a name, as one bit each (RFC 4034, section 4.1).
fn no_more(
    writer: &mut Writer,
    section: Section,
    name: &Name,
    (class, ttl): (u16, u32),
    kinds: &[u16],
) {
    // All of our types are below 48: six bytes of the first block.
    let mut bits = [0_u8; 6];
    for &kind in kinds {
        if let Some(byte) = bits.get_mut(usize::from(kind / 8)) {
            *byte |= 0x80 >> (kind % 8);
        }
    }
    let used = bits.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let length = u8::try_from(used).unwrap_or(0);
    let data = [name.bytes(), &[0, length], &bits[..used]].concat();
    writer.record(section, (name, kind::NSEC, class, ttl), (&data, None));
}
