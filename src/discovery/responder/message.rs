//! Messages of the name system (RFC 1035, section 4) as mDNS uses them: read with care, written with
//! names that point back at what is there already.

/// Longest name, in bytes with its lengths and its end (RFC 1035, section 3.1).
const LONGEST_NAME: usize = 255;

/// The first two bits of a length that is none but leads to where the name goes on.
const POINTER: u8 = 0xc0;

/// Places beyond this one cannot be pointed at: 14 bits.
const FARTHEST: usize = 0x3fff;

/// The class of everything on the internet.
pub(super) const INTERNET: u16 = 1;

/// Any class, or any type, in a question.
pub(super) const ANY: u16 = 255;

/// In a question's class: answer to me alone. In a record's: forget what else you have of that name
/// and type.
pub(super) const TOP_BIT: u16 = 0x8000;

/// In a message's flags: this one answers.
const ANSWER: u16 = 0x8000;

/// The bit of a message that does not hold all that belongs to it.
const GOES_ON: u16 = 0x0200;

/// In a message's flags: what is asked is no question of names (bits 11 to 14), or it failed (0 to 3).
const STRANGE: u16 = 0x780f;

/// In a message's flags: the one who answers owns the name.
const AUTHORITY: u16 = 0x0400;

/// Record types.
pub(super) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const NSEC: u16 = 47;
}

/// A name: each label behind its length, and a zero. Compared whatever the case.
#[derive(Debug, Clone)]
pub(super) struct Name(Vec<u8>);

impl Name {
    /// The name of these labels, each of 1 to 63 bytes.
    pub(super) fn of(labels: &[&str]) -> Self {
        let mut bytes = Vec::new();
        for label in labels {
            let length = u8::try_from(label.len()).unwrap_or(u8::MAX);
            debug_assert!((1..64).contains(&length), "“{label}”");
            bytes.push(length);
            bytes.extend(label.bytes());
        }
        bytes.push(0);
        Self(bytes)
    }

    /// The bytes, without pointers.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// What a message begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// The asker's number, which only askers without mDNS look at.
    pub(super) id: u16,
    /// Whether it answers, in place of asking.
    pub(super) is_answer: bool,
    /// Whether more of it comes in the next message: what the asker knows already.
    pub(super) goes_on: bool,
    /// How many questions it says it has.
    pub(super) questions: u16,
    /// How many records in the answer, authority and additional sections.
    pub(super) records: [u16; 3],
}

/// A question.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) kind: u16,
    pub(super) class: u16,
}

/// A record.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) name: Name,
    pub(super) kind: u16,
    pub(super) class: u16,
    /// For how long it holds, in seconds.
    pub(super) ttl: u32,
    /// What it says, with the names of PTR and SRV written out.
    pub(super) data: Vec<u8>,
}

/// Reads a message from its begin. Each part is nothing where the bytes make no sense.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn word(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    }

    pub(super) fn header(&mut self) -> Option<Header> {
        let (id, flags, questions) = (self.word()?, self.word()?, self.word()?);
        let records = [self.word()?, self.word()?, self.word()?];
        let (is_answer, goes_on) = (flags & ANSWER != 0, flags & GOES_ON != 0);
        (flags & STRANGE == 0).then_some(Header { id, is_answer, goes_on, questions, records })
    }

    pub(super) fn question(&mut self) -> Option<Question> {
        Some(Question { name: self.name()?, kind: self.word()?, class: self.word()? })
    }

    pub(super) fn record(&mut self) -> Option<Record> {
        let (name, kind, class) = (self.name()?, self.word()?, self.word()?);
        let ttl = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        let length = usize::from(self.word()?);
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let mut data = match kind {
            kind::SRV => self.take(6.min(length))?.to_vec(),
            _ => Vec::new(),
        };
        match kind {
            kind::PTR | kind::SRV => data.extend(self.name()?.0),
            _ => data.extend(self.take(length)?),
        }
        (self.at == end).then_some(Record { name, kind, class, ttl, data })
    }

    fn name(&mut self) -> Option<Name> {
        let mut name = Vec::new();
        let (mut at, mut after) = (self.at, None);
        loop {
            let length = *self.bytes.get(at)?;
            if length & POINTER == POINTER {
                let low = *self.bytes.get(at + 1)?;
                let to = usize::from(u16::from_be_bytes([length & !POINTER, low]));
                after = after.or(Some(at + 2));
                // Only back, and so never in a circle.
                at = Some(to).filter(|to| *to < at)?;
            } else if length & POINTER == 0 {
                let end = at + 1 + usize::from(length);
                name.extend(self.bytes.get(at..end)?);
                if name.len() > LONGEST_NAME {
                    return None;
                }
                at = end;
                if length == 0 {
                    self.at = after.unwrap_or(end);
                    return Some(Name(name));
                }
            } else {
                return None;
            }
        }
    }
}

/// Writes a message.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Ends of names that are there, and where.
    known: Vec<(Vec<u8>, u16)>,
}

/// The parts of a message, with the place in its header where they are counted.
#[derive(Clone, Copy)]
pub(super) enum Section {
    Question = 4,
    Answer = 6,
    Authority = 8,
    Additional = 10,
}

impl Writer {
    /// A message that asks.
    pub(super) fn question() -> Self {
        Self { bytes: vec![0; 12], known: Vec::new() }
    }

    /// A message that answers the one with this number: 0 if it is for all.
    pub(super) fn answer(id: u16) -> Self {
        let mut writer = Self::question();
        writer.bytes[..2].copy_from_slice(&id.to_be_bytes());
        writer.bytes[2..4].copy_from_slice(&(ANSWER | AUTHORITY).to_be_bytes());
        writer
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn ask(&mut self, name: &Name, kind: u16, class: u16) {
        self.count(Section::Question);
        self.name(name);
        self.word(kind);
        self.word(class);
    }

    /// A record whose content is these bytes and then, if there is one, that name.
    pub(super) fn record(
        &mut self,
        section: Section,
        (name, kind, class, ttl): (&Name, u16, u16, u32),
        (data, then): (&[u8], Option<&Name>),
    ) {
        self.count(section);
        self.name(name);
        self.word(kind);
        self.word(class);
        self.bytes.extend(ttl.to_be_bytes());
        let length_at = self.bytes.len();
        self.word(0);
        self.bytes.extend(data);
        if let Some(name) = then {
            self.name(name);
        }
        let length = u16::try_from(self.bytes.len() - length_at - 2).unwrap_or(u16::MAX);
        self.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    fn count(&mut self, section: Section) {
        let at = section as usize;
        let count = u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]) + 1;
        self.bytes[at..at + 2].copy_from_slice(&count.to_be_bytes());
    }

    fn word(&mut self, word: u16) {
        self.bytes.extend(word.to_be_bytes());
    }

    fn name(&mut self, name: &Name) {
        let mut rest = name.bytes();
        while let Some((&length, behind)) = rest.split_first()
            && length != 0
        {
            if let Some((_, at)) = self.known.iter().find(|(known, _)| known == rest) {
                let at = *at;
                return self.word(u16::from(POINTER) << 8 | at);
            }
            if self.bytes.len() <= FARTHEST
                && let Ok(here) = u16::try_from(self.bytes.len())
            {
                self.known.push((rest.to_vec(), here));
            }
            let (label, next) = behind.split_at(usize::from(length).min(behind.len()));
            self.bytes.push(length);
            self.bytes.extend(label);
            rest = next;
        }
        self.bytes.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_once_and_pointed_at_after_that() {
        let service = Name::of(&["_auralync", "_tcp", "local"]);
        let instance = Name::of(&["attic", "_auralync", "_tcp", "local"]);
        let mut writer = Writer::answer(7);
        let what = (&service, kind::PTR, INTERNET, 120);
        writer.record(Section::Answer, what, (&[], Some(&instance)));
        writer.record(Section::Additional, (&instance, kind::SRV, INTERNET, 9), (&[0; 6], None));
        let bytes = writer.finish();
        assert_eq!(bytes.windows(9).filter(|part| part == b"_auralync").count(), 1);
        let mut reader = Reader::new(&bytes);
        let header = reader.header().unwrap();
        assert_eq!((header.id, header.is_answer, header.records), (7, true, [1, 0, 1]));
        let pointer = reader.record().unwrap();
        assert_eq!((pointer.name, pointer.ttl), (service, 120));
        assert_eq!(pointer.data, instance.bytes());
    }

    #[test]
    fn names_that_lead_in_circles_or_out_of_the_message_are_none() {
        for bytes in [
            &b"\xc0\x00"[..],
            b"\xc0\x02\x01a\xc0\x00",
            b"\x01a\xc0\x00",
            b"\x05abc",
            b"\x01a",
            b"\x40a\x00",
            b"\x80a\x00",
            b"\xc0",
            b"",
        ] {
            assert!(Reader::new(bytes).name().is_none(), "{bytes:?}");
        }
        let long = [&[63; 64][..]; 4].concat();
        assert!(Reader::new(&[&long[..], &[0]].concat()).name().is_none());
        let longest = [&[&[63; 64][..]; 3].concat()[..], &[61; 62], &[0]].concat();
        assert_eq!(Reader::new(&longest).name().unwrap().bytes(), longest);
    }

    #[test]
    fn names_are_compared_whatever_the_case() {
        assert_eq!(Name::of(&["Attic", "LOCAL"]), Name::of(&["attic", "local"]));
        assert_ne!(Name::of(&["attic"]), Name::of(&["cellar"]));
    }
}
