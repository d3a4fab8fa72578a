//! Sound by datagram: who may have it, what is asked for, and what leaves.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::UdpSocket;
use mio::{Interest, Poll};

use super::datagram_socket::Batch;
use super::{DATAGRAMS, Room, Transmit};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::random::random;
use crate::send::fanout::{
    self, DatagramLog, DatagramPath, KEPT_BEYOND_US, Listener, Pace, Phase, Together,
};
use crate::send::webrtc::{Channels, Order, Whose};
use crate::wire::datagram::{
    Ask, FromClient, MAX_DATAGRAM, PRIVATE_TO_CLIENT, Parities, Token, read_private_to_server,
};
use crate::wire::{self, AudioFrame, DATAGRAMS_SINCE, Hello, Welcome, kind};

/// Datagrams that are read in a turn, however little time it has left for reading: those who ask are
/// heard beside connections that never stop talking.
const LEAST_READS: usize = 32;

/// The loop's side of datagrams.
pub(super) struct Datagrams {
    socket: UdpSocket,
    port: u16,
    /// Whether something may have come.
    is_readable: bool,
    /// The seats whose microphones wait for a datagram, as far as is known.
    pub(super) talkers: Vec<usize>,
    /// The seat of each token.
    pub(super) seats: HashMap<Token, usize>,
    /// What cookies are made with, new with each run.
    keys: RandomState,
    batch: Batch,
    /// One byte more than a datagram may have: what fills it is none of ours.
    pub(super) buffer: Box<[u8; MAX_DATAGRAM + 1]>,
}

impl Datagrams {
    pub(super) fn new(poll: &Poll, socket: std::net::UdpSocket) -> io::Result<Self> {
        let batch = Batch::new(&socket);
        let mut socket = UdpSocket::from_std(socket);
        poll.registry().register(&mut socket, DATAGRAMS, Interest::READABLE)?;
        Ok(Self {
            port: socket.local_addr()?.port(),
            socket,
            is_readable: true,
            talkers: Vec::new(),
            seats: HashMap::new(),
            keys: RandomState::new(),
            batch,
            buffer: Box::new([0; MAX_DATAGRAM + 1]),
        })
    }

    /// Something has come.
    pub(super) fn knock(&mut self) {
        self.is_readable = true;
    }

    /// Whether something that has come has not been read.
    pub(super) fn wait(&self) -> bool {
        self.is_readable
    }

    /// Forgets whose token that was.
    pub(super) fn forget(&mut self, token: &Token) {
        self.seats.remove(token);
    }

    /// What shows that its sender gets what is sent to `from`. Nobody else can tell it, and nothing is
    /// kept for it. Never 0, which stands for none.
    pub(super) fn cookie(&self, token: &Token, from: SocketAddr) -> u64 {
        self.keys.hash_one((token, from)).max(1)
    }

    /// Sends one datagram. What the system has no room for is lost, as on the way.
    pub(super) fn tell(&self, to: SocketAddr, bytes: &[u8]) {
        let _ = self.socket.send_to(bytes, to);
    }

    /// The next datagram that has come.
    fn receive(&mut self) -> Option<(usize, SocketAddr)> {
        loop {
            match self.socket.recv_from(&mut self.buffer[..]) {
                Ok(received) => return Some(received),
                // Windows tells so that somebody whom something was sent to is gone.
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Nothing has come, or nothing that can be had.
                Err(_) => {
                    self.is_readable = false;
                    return None;
                }
            }
        }
    }
}

/// Which way one listener's datagrams go.
struct Ways<'a> {
    batch: Option<&'a mut Batch>,
    channel: Option<(&'a mut Channels, Whose)>,
    seat: usize,
    /// Lengths of the datagrams that the channels had no room for.
    refused: Vec<usize>,
}

impl<'a> Ways<'a> {
    fn new(
        datagrams: &'a mut Option<Datagrams>,
        channels: &'a mut Option<Channels>,
        channel: Option<Whose>,
        seat: usize,
    ) -> Self {
        let batch = datagrams.as_mut().map(|datagrams| &mut datagrams.batch);
        Self { batch, channel: channels.as_mut().zip(channel), seat, refused: Vec::new() }
    }

    fn give(&mut self, to: SocketAddr, bytes: &Arc<[u8]>) {
        if let Some((channels, whose)) = &mut self.channel {
            // What does not fit is lost, as on the way: it is asked again.
            if !channels.give(Order::Send(*whose, Arc::clone(bytes))) {
                self.refused.push(bytes.len());
            }
        } else if let Some(batch) = &mut self.batch {
            batch.add(self.seat, to, bytes);
        }
    }

    /// Counts what the channels had no room for.
    fn count(self, listener: &mut Listener) {
        if let Some(path) = &mut listener.path {
            self.refused.into_iter().for_each(|bytes| path.was_refused(bytes));
        }
    }
}

/// How the datagrams of a listener's seat leave that hears `codec`, cut into `cut`. Packets of Opus are of
/// many lengths, so that nothing is gained where they leave together.
fn together_of(codec: Codec, cut: &DatagramLog, wait_us: u64, seat: usize) -> Together {
    match codec {
        Codec::Opus(_) => Together::AT_ONCE,
        _ => Together::in_bursts(wait_us, cut.datagram_us(), seat),
    }
}

/// The logs of datagrams, by [`Codec::index`].
pub(super) fn logs(room: &Room) -> Vec<DatagramLog> {
    let log = |codec: Codec| {
        // There are fewer codecs than 64.
        let stream = u8::try_from(codec.index()).unwrap_or(u8::MAX);
        DatagramLog::new(stream, room.position_rate(codec))
    };
    Codec::all().map(log).into()
}

impl Transmit {
    /// Sends sound by datagram too, from `socket`, to those who prove that it reaches them.
    ///
    /// # Errors
    /// [`Error::Internal`] if the event queue does not take it.
    pub fn send_datagrams(&mut self, socket: std::net::UdpSocket) -> Result<()> {
        let datagrams = Datagrams::new(&self.poll, socket);
        self.datagrams =
            Some(datagrams.map_err(|e| Error::internal("cannot send sound by datagram", e))?);
        Ok(())
    }

    /// Gives the listener at `index`, who is about to be welcomed, what it needs for datagrams, where its
    /// hello says that it can take them.
    pub(super) fn offer_datagrams(&mut self, index: usize, hello: &Hello, welcome: &mut Welcome) {
        let (Some(datagrams), Some(Some(seat))) = (&mut self.datagrams, self.seats.get_mut(index))
        else {
            return;
        };
        if !hello.datagrams || welcome.version < DATAGRAMS_SINCE || seat.listener.is_browser() {
            return;
        }
        let token = (u128::from(random()) << 64 | u128::from(random())).to_be_bytes();
        datagrams.seats.insert(token, index);
        seat.listener.path = Some(DatagramPath::new(token));
        welcome.datagrams = Some(wire::Datagrams::new(token, datagrams.port));
        welcome.accept(kind::PATH);
    }

    /// Reads and answers what has come by datagram, until `until_us` or a little longer.
    pub(super) fn read_datagrams(&mut self, until_us: u64) {
        for reads in 0_usize.. {
            let now = self.clock.now_us();
            let Some(datagrams) = self.datagrams.as_mut().filter(|datagrams| datagrams.wait())
            else {
                return;
            };
            if reads >= LEAST_READS && now >= until_us {
                return;
            }
            let Some((came, from)) = datagrams.receive() else { return };
            let Some(length) = self.unseal_datagram(came) else { continue };
            let Some(datagrams) = &self.datagrams else { return };
            match datagrams.buffer.get(..length).and_then(FromClient::read) {
                Some(FromClient::Ask(ask)) => self.answer(&ask, from, came),
                Some(FromClient::Talk { .. }) => self.take_talk(from, length),
                None => {}
            }
        }
    }

    /// In a private room the datagram of `length` bytes in the buffer is opened in its place; how long it is
    /// then. `None` where it is not sealed as it must be.
    fn unseal_datagram(&mut self, length: usize) -> Option<usize> {
        if self.keys.is_none() {
            return Some(length);
        }
        let datagrams = self.datagrams.as_mut()?;
        let (token, sealed) = read_private_to_server(datagrams.buffer.get(..length)?)?;
        let seat = self.seats.get_mut(*datagrams.seats.get(&token)?)?.as_mut()?;
        let opened = seat.listener.member.as_mut()?.open_datagram(sealed)?;
        // Nobody asks for another, or speaks as one.
        if opened.get(4..20)? != token {
            return None;
        }
        datagrams.buffer.get_mut(..opened.len())?.copy_from_slice(&opened);
        Some(opened.len())
    }

    /// Answers an ask that came as `length` bytes, and sends again what it asks for. Nobody is told that a
    /// token is unknown.
    fn answer(&mut self, ask: &Ask, from: SocketAddr, length: usize) {
        let now = self.clock.now_us();
        let Some(datagrams) = &mut self.datagrams else { return };
        let Some(&index) = datagrams.seats.get(&ask.token) else { return };
        let cookie = datagrams.cookie(&ask.token, from);
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let listener = &mut seat.listener;
        let Some(path) = listener.path.as_mut().filter(|_| listener.phase == Phase::Typed) else {
            return;
        };
        let sealed = if listener.member.is_some() { PRIVATE_TO_CLIENT } else { 0 };
        let room = length.saturating_sub(sealed);
        let Some(answer) = path.answer(ask, (from, cookie), room, now) else { return };
        let answer = match &mut listener.member {
            Some(member) => member.seal_datagram(&answer),
            None => Some(answer),
        };
        // What the system has no room for is lost, as on the way: it is asked again.
        answer.iter().for_each(|answer| datagrams.tell(from, answer));
        if ask.cookie == cookie {
            self.give_again(index, ask, now);
        }
    }

    /// Does as the listener at `index` asks from an address that has proven itself.
    pub(super) fn give_again(&mut self, index: usize, ask: &Ask, now: u64) {
        let max_age_us = self.max_age_us(now);
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let listener = &mut seat.listener;
        listener.heard_us = now;
        if !ask.missing.is_empty() {
            let codec = listener.codec;
            let pace = Pace {
                now_us: now,
                max_age_us: max_age_us + listener.extra_us(),
                bytes_per_second: self.room.buffering(codec).bytes_per_second,
            };
            let mut ways = Ways::new(&mut self.datagrams, &mut self.channels, seat.channel, index);
            listener.give_again(ask, &self.cut[codec.index()], pace, |to, bytes| {
                ways.give(to, bytes);
            });
            ways.count(listener);
            self.send_batch();
        }
        self.touch(index);
    }

    /// Hands on what is due to the listener at `index` by datagram; whether its sound goes that way.
    pub(super) fn give_datagrams(&mut self, index: usize, now: u64) -> bool {
        let max_age_us = self.max_age_us(now);
        let wait_us = self.datagram_wait_us(now);
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return false;
        };
        let listener = &mut seat.listener;
        let (log, cut) =
            (&self.logs[listener.codec.index()], &mut self.cut[listener.codec.index()]);
        listener.turn_to_datagrams(log, cut);
        if listener.is_by_datagram() && !self.in_use.contains_pieces(listener.codec) {
            self.in_use.add_pieces(listener.codec);
        }
        let pace =
            Pace { now_us: now, max_age_us: max_age_us + listener.extra_us(), bytes_per_second: 0 };
        if let Some(path) = &mut listener.path {
            path.send_together(together_of(listener.codec, cut, wait_us, index));
        }
        let mut ways = Ways::new(&mut self.datagrams, &mut self.channels, seat.channel, index);
        let gave = listener.give_datagrams(log, cut, pace, |to, bytes| ways.give(to, bytes));
        ways.count(listener);
        if self.datagrams.as_ref().is_some_and(|datagrams| datagrams.batch.is_full()) {
            self.send_batch();
        }
        gave
    }

    /// Hands the datagrams that wait to the system.
    pub(super) fn send_batch(&mut self) {
        if let Some(channels) = &mut self.channels {
            channels.flush();
        }
        let Some(datagrams) = &mut self.datagrams else { return };
        for (index, bytes) in datagrams.batch.send(&datagrams.socket) {
            if let Some(Some(seat)) = self.seats.get_mut(index)
                && let Some(path) = &mut seat.listener.path
            {
                path.was_refused(bytes);
            }
        }
    }

    /// Cuts a piece for those who hear its codec by datagram.
    pub(super) fn cut(&mut self, frame: &AudioFrame) {
        let keep_us = self.kept_us();
        let wait_us = fanout::datagram_wait_us(self.shortest_delay_ms(self.clock.now_us()));
        let cut = &mut self.cut[frame.codec().index()];
        cut.let_wait(wait_us);
        cut.push(frame, keep_us);
    }

    /// How long datagrams are kept, in µs.
    pub(super) fn kept_us(&self) -> u64 {
        self.max_age_us(self.clock.now_us()) + KEPT_BEYOND_US
    }

    /// Does as the listener at `index` says about the way of its sound.
    pub(super) fn take_path(&mut self, index: usize, wish: &wire::Path) {
        let now = self.clock.now_us();
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            let log = &self.logs[seat.listener.codec.index()];
            seat.listener.take_path(wish, log, now);
            self.touch(index);
        }
        if let Some(word) = &wish.codec {
            self.take_codec(index, word);
        }
    }

    /// Sends sound by TCP again to those who have not asked for a datagram for long, and cuts no more for
    /// streams that nobody hears this way.
    pub(super) fn keep_datagrams(&mut self, now: u64) {
        if self.datagrams.is_none() && self.channels.is_none() {
            return;
        }
        let max_age_us = self.max_age_us(now);
        let mut heard = [(false, Parities::NONE); Codec::COUNT];
        for index in 0..self.seats.len() {
            let Some(Some(seat)) = self.seats.get_mut(index) else { continue };
            let listener = &mut seat.listener;
            let codec = listener.codec.index();
            let from_us = now.saturating_sub(max_age_us + listener.extra_us());
            let was_by_datagram = listener.is_by_datagram();
            listener.leave_silent_path(&self.logs[codec], now, from_us);
            if let Some(path) = listener.path.as_ref().filter(|path| path.is_used()) {
                for codec in listener.hears().into_iter().chain(listener.awaits()) {
                    let (_, parities) = heard[codec.index()];
                    heard[codec.index()] = (true, parities.or(path.parities()));
                }
            } else if was_by_datagram {
                self.touch(index);
            }
        }
        for (cut, (is_heard, parities)) in self.cut.iter_mut().zip(heard) {
            cut.set_heard(is_heard, parities);
        }
        self.in_use.set_pieces(Codec::all().into_iter().filter(|codec| heard[codec.index()].0));
    }
}
