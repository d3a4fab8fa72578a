//! A connection to PulseAudio: messages out, messages in, nothing else.

use std::io::{Cursor, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pulseaudio::ClientError;
use pulseaudio::protocol::{
    self, AuthParams, AuthReply, Command, CommandReply, DESCRIPTOR_SIZE, Descriptor,
    DescriptorFlags, MAX_MEMBLOCKQ_LENGTH, MAX_VERSION, Prop, Props, ProtocolError, PulseError,
    SetClientNameReply, TagStructReader,
};

use super::cookie;

/// What the server's mixers call this program.
const NAME: &std::ffi::CStr = c"AuraLync";

/// Longest wait for an answer while a stream is being opened, and for the server to take what it
/// asked for: one that needs longer is gone.
const PATIENCE: Duration = Duration::from_secs(4);

/// Longest message that is taken, in bytes: the server has no longer ones of its own.
const LONGEST: usize = MAX_MEMBLOCKQ_LENGTH;

/// Room for what usually comes at a time.
const ROOM: usize = 64 * 1024;

/// The channel of what is no sound.
const COMMANDS: u32 = u32::MAX;

pub(super) type Result<T> = std::result::Result<T, ClientError>;

/// A connection.
pub(super) struct Link {
    socket: UnixStream,
    version: u16,
    last_number: u32,
    encoded: Vec<u8>,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// How much of `incoming` has come, and how much of that has been handed out.
    filled: usize,
    taken: usize,
}

/// A message from the server.
pub(super) enum Message<'a> {
    /// Recorded sound.
    Sound(&'a [u8]),
    /// The answer to the command of that number.
    Answer(u32, std::result::Result<Answer<'a>, PulseError>),
    /// The server wants so many bytes of sound.
    Wanted(u32),
    /// It ran out of sound, or of room for it.
    Missed,
    /// The stream is on another device now.
    Moved,
    /// The stream is no more.
    Killed,
    /// Nothing that concerns a stream.
    Other,
}

/// What was asked for.
pub(super) struct Answer<'a> {
    bytes: &'a [u8],
    version: u16,
}

impl Answer<'_> {
    pub(super) fn read<R: CommandReply>(&self) -> Result<R> {
        let mut bytes = Cursor::new(self.bytes);
        TagStructReader::new(&mut bytes, self.version).read().map_err(ClientError::Protocol)
    }
}

impl Link {
    /// Connects to the server that the environment names, and says who we are.
    pub(super) fn open() -> Result<Self> {
        let path = pulseaudio::socket_path_from_env().ok_or(ClientError::ServerUnavailable)?;
        let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok());
        let mut link = Self::over(UnixStream::connect(path)?)?;
        let auth: AuthReply = link.ask(&Command::Auth(AuthParams {
            version: MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie: cookie.unwrap_or_else(|| vec![0; cookie::LENGTH]),
        }))?;
        link.version = auth.version.min(MAX_VERSION);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, NAME);
        link.ask::<SetClientNameReply>(&Command::SetClientName(props))?;
        Ok(link)
    }

    fn over(socket: UnixStream) -> Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            version: MAX_VERSION,
            last_number: 0,
            encoded: Vec::with_capacity(ROOM),
            outgoing: Vec::with_capacity(ROOM),
            incoming: vec![0; ROOM],
            filled: 0,
            taken: 0,
        })
    }

    /// Sets how long [`receive`](Self::receive) waits at most from now on.
    pub(super) fn wait_at_most(&self, patience: Duration) -> Result<()> {
        Ok(self.socket.set_read_timeout(Some(patience))?)
    }

    /// Sends a command and waits for its answer. What else comes meanwhile is not listened to.
    pub(super) fn ask<R: CommandReply>(&mut self, command: &Command) -> Result<R> {
        let number = self.tell(command)?;
        self.flush()?;
        loop {
            match self.receive(true)? {
                Some(Message::Answer(answered, answer)) if answered == number => {
                    return answer.map_err(ClientError::ServerError)?.read();
                }
                Some(_) => {}
                None => return Err(ClientError::ServerUnavailable),
            }
        }
    }

    /// Puts a command among what [`flush`](Self::flush) sends. Returns its number.
    pub(super) fn tell(&mut self, command: &Command) -> Result<u32> {
        self.last_number = self.last_number.wrapping_add(1);
        self.encoded.clear();
        let number = self.last_number;
        protocol::encode_command_message(&mut self.encoded, number, command, self.version)
            .map_err(ClientError::Protocol)?;
        self.outgoing.extend_from_slice(&self.encoded);
        Ok(number)
    }

    /// Puts `bytes` bytes of sound for that channel among what goes out, as `write` fills them:
    /// `skipped` bytes after the last ones.
    pub(super) fn sound(
        &mut self,
        channel: u32,
        skipped: u32,
        bytes: u32,
        write: impl FnOnce(&mut [u8]),
    ) {
        let start = self.outgoing.len();
        self.outgoing.resize(start + DESCRIPTOR_SIZE + bytes as usize, 0);
        let Some((header, sound)) = self.outgoing[start..].split_first_chunk_mut() else {
            return;
        };
        let flags = DescriptorFlags::empty();
        let descriptor = Descriptor { length: bytes, channel, offset: skipped.into(), flags };
        protocol::encode_descriptor(header, &descriptor);
        write(sound);
    }

    /// Sends what has gathered.
    pub(super) fn flush(&mut self) -> Result<()> {
        if !self.outgoing.is_empty() {
            self.socket.write_all(&self.outgoing)?;
            self.outgoing.clear();
        }
        Ok(())
    }

    /// The next message; `None` if there is none, after a while if it `waits`, else at once.
    pub(super) fn receive(&mut self, waits: bool) -> Result<Option<Message<'_>>> {
        let Some(descriptor) = self.gather(waits)? else {
            return Ok(None);
        };
        let from = self.taken + DESCRIPTOR_SIZE;
        self.taken = from + descriptor.length as usize;
        let payload = &self.incoming[from..self.taken];
        if descriptor.channel != COMMANDS {
            return Ok(Some(Message::Sound(payload)));
        }
        let mut rest = Cursor::new(payload);
        Ok(Some(match Command::read_tag_prefixed(&mut rest, self.version) {
            Ok((number, Command::Reply)) => {
                let from = usize::try_from(rest.position()).unwrap_or(usize::MAX);
                let bytes = payload.get(from..).unwrap_or_default();
                Message::Answer(number, Ok(Answer { bytes, version: self.version }))
            }
            Ok((number, Command::Error(error))) => Message::Answer(number, Err(error)),
            Ok((_, Command::Request(request))) => Message::Wanted(request.length),
            Ok((_, Command::Underflow(_) | Command::Overflow(_))) => Message::Missed,
            Ok((_, Command::PlaybackStreamMoved(_) | Command::RecordStreamMoved(_))) => {
                Message::Moved
            }
            Ok((_, Command::PlaybackStreamKilled(_) | Command::RecordStreamKilled(_))) => {
                Message::Killed
            }
            // A newer server may say what is not known here.
            Ok(_) | Err(ProtocolError::Unimplemented(..)) => Message::Other,
            Err(error) => return Err(ClientError::Protocol(error)),
        }))
    }

    /// Has a whole message lie from `taken` on, and says what it is.
    fn gather(&mut self, waits: bool) -> Result<Option<Descriptor>> {
        loop {
            let here = &self.incoming[self.taken..self.filled];
            let mut wanted = DESCRIPTOR_SIZE;
            if here.len() >= DESCRIPTOR_SIZE {
                let descriptor = protocol::read_descriptor(&mut Cursor::new(here))
                    .map_err(ClientError::Protocol)?;
                let length = descriptor.length as usize;
                if length > LONGEST {
                    let what = format!("a message of {length} bytes");
                    return Err(ClientError::Protocol(ProtocolError::Invalid(what)));
                }
                wanted += length;
                if here.len() >= wanted {
                    return Ok(Some(descriptor));
                }
            }
            if !waits {
                return Ok(None);
            }
            self.incoming.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
            if self.incoming.len() < wanted {
                self.incoming.resize(wanted, 0);
            }
            match self.socket.read(&mut self.incoming[self.filled..]) {
                Ok(0) => return Err(ClientError::Disconnected),
                Ok(count) => self.filled += count,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(None),
                    ErrorKind::Interrupted => {}
                    _ => return Err(ClientError::Io(error)),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Link, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let link = Link::over(ours).unwrap();
        link.wait_at_most(Duration::from_millis(1)).unwrap();
        (link, theirs)
    }

    fn message(channel: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap();
        let flags = DescriptorFlags::empty();
        let mut bytes = Vec::new();
        let descriptor = Descriptor { length, channel, offset: 0, flags };
        protocol::write_descriptor(&mut bytes, &descriptor).unwrap();
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn messages_that_come_in_pieces_or_together_are_taken_one_by_one() {
        let (mut link, mut server) = pair();
        let sound: Vec<u8> = (0..200_000_u32).map(|at| at as u8).collect();
        let writer = std::thread::spawn(move || {
            let two = [message(3, &sound[..7]), message(3, &sound)].concat();
            server.write_all(&two[..10]).unwrap();
            server.write_all(&two[10..]).unwrap();
            (server, sound)
        });
        let mut heard = Vec::new();
        while heard.len() < 200_007 {
            match link.receive(true).unwrap() {
                Some(Message::Sound(sound)) => heard.extend_from_slice(sound),
                Some(_) => panic!("no sound"),
                None => {}
            }
        }
        let (_server, sound) = writer.join().unwrap();
        assert_eq!((&heard[..7], &heard[7..]), (&sound[..7], &sound[..]));
        assert!(link.receive(true).unwrap().is_none());
        assert!(link.receive(false).unwrap().is_none());
    }

    #[test]
    fn a_message_without_end_is_refused_before_anything_is_allocated() {
        let (mut link, mut server) = pair();
        let mut huge = message(3, &[]);
        huge[..4].copy_from_slice(&u32::MAX.to_be_bytes());
        server.write_all(&huge).unwrap();
        assert!(link.receive(true).is_err());
        assert_eq!(link.incoming.len(), ROOM);
    }

    #[test]
    fn nonsense_and_an_end_are_errors_and_no_panic() {
        let (mut link, mut server) = pair();
        server.write_all(&message(COMMANDS, &[0xFF; 40])).unwrap();
        assert!(link.receive(true).is_err());
        server.write_all(&message(COMMANDS, &[])).unwrap();
        assert!(link.receive(true).is_err());
        drop(server);
        assert!(matches!(link.receive(true), Err(ClientError::Disconnected)));
    }
}
