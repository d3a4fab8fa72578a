//! Many in a private room, each of whom opens every frame, while keys change under them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use auralync::secure::Key;
use auralync::secure::handshake::Channel;
use auralync::secure::keyring::{Keyring, Kind, StreamSeal};
use auralync::secure::room::Link;
use auralync::wire::{
    AudioHeader, Deframer, Epochs, Frame, Hello, Limits, MAX_SERVER_FRAME, Notice, Reason,
    RoomKeys, SEAL, SealedHeader, VERSION, kind, typed,
};

use crate::support::member::{come, enter, ping};
use crate::support::program::Program;
use crate::support::servers::{client_command, server_command};
use crate::support::{Scratch, wait_until};

/// A private room of the real server, on a tone.
struct Room {
    scratch: Scratch,
    server: Program,
    address: SocketAddr,
    secret: [u8; 16],
}

impl Room {
    /// A room for so many.
    fn open(most: usize) -> Self {
        let scratch = Scratch::new();
        let program = || {
            let mut command = server_command();
            command.env("XDG_CONFIG_HOME", scratch.path("host")).env("HOME", scratch.path("host"));
            command.args(["--bind", "127.0.0.1", "--private"]);
            command
        };
        let mut command = program();
        command
            .stdin(Stdio::null())
            .args([
                "--port",
                "0",
                "--no-discovery",
                "--web",
                "0",
                "--source",
                "tone",
                "--max-clients",
                &most.to_string(),
            ])
            .args(["--preset", "smooth"]);
        let mut server = Program::start(command);
        let address = server.address();
        let shown = program().args(["--no-web", "--show-link"]).output().unwrap();
        let link = Link::read(&String::from_utf8(shown.stdout).unwrap()).unwrap();
        Self { scratch, server, address, secret: *link.secret.bytes() }
    }

    /// Gives an order to the server, as whoever runs it does.
    fn order(&mut self, words: &[&str]) {
        let page = self.server.page();
        let mut command = client_command();
        command.env("XDG_CONFIG_HOME", self.scratch.path("host"));
        command.env("HOME", self.scratch.path("host"));
        command.arg("ctl").args(words).args(["--server", &page.to_string()]);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

/// What one member heard so far.
struct Heard {
    frames: u64,
    /// Frames between two that came.
    missing: u64,
    /// Frames that none of its keys opens.
    unopened: u64,
    ring: Keyring,
    /// All secrets of epochs that it was told.
    secrets: Vec<(u8, Key)>,
    /// What the last of its frames was as it came, with the time.
    last: Option<(Instant, Vec<u8>)>,
    has_ended: bool,
    /// Epochs that were told.
    epochs: usize,
}

impl Heard {
    fn new(keys: RoomKeys) -> Self {
        let ring = Keyring::new(Key::new(*keys.own.bytes()));
        let (frames, missing, unopened) = (0, 0, 0);
        let (secrets, last, has_ended) = (Vec::new(), None, false);
        let mut heard =
            Self { frames, missing, unopened, ring, secrets, last, has_ended, epochs: 0 };
        heard.learn(Epochs { epochs: keys.epochs, ..Epochs::default() });
        heard
    }

    fn learn(&mut self, told: Epochs) {
        for (epoch, secret) in told.epochs {
            self.ring.learn(epoch, Key::new(*secret.bytes()));
            self.secrets.push((epoch, Key::new(*secret.bytes())));
        }
        if let Some(since) = told.since {
            self.ring.forget_before(since);
        }
    }

    /// What it can seal for those who have just heard `body`, a second ahead of it.
    fn forge(&self, body: &[u8]) -> Vec<Vec<u8>> {
        let SealedHeader { audio, stream, .. } = SealedHeader::read(body).unwrap();
        let position = audio.position + 48_000;
        let forge = |(epoch, secret): &(u8, Key)| {
            let mut forged = body.to_vec();
            forged[2] = *epoch;
            forged[7..15].copy_from_slice(&position.to_be_bytes());
            let mut seal = StreamSeal::new(secret, *epoch, stream);
            seal.seal(Kind::Frame, position, SealedHeader::OPEN, &mut forged).unwrap();
            forged
        };
        self.secrets.iter().map(forge).collect()
    }
}

/// Whether a key of that ring opens a frame of sound.
fn opens(ring: &mut Keyring, body: &[u8]) -> bool {
    let SealedHeader { audio, stream, epoch } = SealedHeader::read(body).unwrap();
    let which = (Kind::Frame, epoch, stream);
    ring.open(which, audio.position, SealedHeader::OPEN, body, &mut Vec::new())
}

/// What the member of that number says of itself.
fn hello(number: usize, id: &str) -> Hello {
    Hello {
        version: VERSION,
        id: id.to_owned(),
        name: format!("Member {number}"),
        codecs: vec!["opus".to_owned()],
        talk: None,
        datagrams: false,
    }
}

/// A member on a thread of its own.
struct Member {
    heard: Arc<Mutex<Heard>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    fn join(room: &Room, number: usize) -> Self {
        Self::join_as(room, number, &format!("{number}"))
    }

    /// Somebody's further connection, whose hello has that id.
    fn join_as(room: &Room, number: usize, id: &str) -> Self {
        let hello = hello(number, id);
        let (tcp, mut welcome, channel) = enter(room.address, room.secret, number, &hello);
        let heard = Arc::new(Mutex::new(Heard::new(*welcome.room.take().unwrap())));
        let is_over = Arc::new(AtomicBool::new(false));
        let (ours, over) = (Arc::clone(&heard), Arc::clone(&is_over));
        let thread = thread::spawn(move || listen(tcp, channel, &ours, &over));
        Self { heard, is_over, thread: Some(thread) }
    }

    fn frames(&self) -> u64 {
        self.heard.lock().unwrap().frames
    }

    #[track_caller]
    fn assert_whole(&self) {
        let heard = self.heard.lock().unwrap();
        assert_eq!((heard.missing, heard.unopened, heard.has_ended), (0, 0, false));
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// Opens all that comes, until it is over or the server closes.
fn listen(mut tcp: TcpStream, mut channel: Channel, heard: &Mutex<Heard>, is_over: &AtomicBool) {
    let mut deframer = Deframer::new(Limits { plain: 0, typed: MAX_SERVER_FRAME + SEAL });
    let (mut buffer, mut next, mut said) = (vec![0; 65_536], None, Instant::now());
    while !is_over.load(Ordering::Relaxed) {
        let Ok(count @ 1..) = tcp.read(&mut buffer) else { break };
        deframer.push(&buffer[..count]);
        let mut heard = heard.lock().unwrap();
        while let Some(frame) = deframer.next_frame().unwrap() {
            match frame {
                Frame::Typed { kind: kind::SEALED, body } => {
                    let AudioHeader { position, frames, .. } =
                        SealedHeader::read(body).unwrap().audio;
                    heard.missing += position - next.unwrap_or(position);
                    next = Some(position + u64::from(frames));
                    heard.frames += 1;
                    let is_open = opens(&mut heard.ring, body);
                    heard.unopened += u64::from(!is_open);
                    heard.last = Some((Instant::now(), body.to_vec()));
                }
                Frame::Typed { kind: kind::PRIVATE, body } => {
                    let inside = channel.opening.open(body).unwrap();
                    if inside[0] == kind::EPOCHS {
                        let told = Epochs::read(&inside[1..]).unwrap();
                        heard.epochs += told.epochs.len();
                        heard.learn(told);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        drop(heard);
        if said.elapsed() > Duration::from_secs(1) {
            said = Instant::now();
            ping(&mut tcp, &mut channel);
        }
    }
    heard.lock().unwrap().has_ended = !is_over.load(Ordering::Relaxed);
}

/// Waits until each of them has heard so many frames more.
#[track_caller]
fn wait_for(members: &[Member], more: u64) {
    let until: Vec<_> = members.iter().map(|member| member.frames() + more).collect();
    wait_until("more frames", || {
        members.iter().zip(&until).all(|(member, until)| member.frames() >= *until)
    });
}

#[test]
fn whoever_was_asked_to_leave_opens_nothing_a_second_later_and_fifty_others_open_all() {
    let mut room = Room::open(1_000);
    let goes = Member::join(&room, 1_000);
    let stay: Vec<_> = (0..50).map(|number| Member::join(&room, number)).collect();
    let wait_for = |more| wait_for(&stay, more);
    wait_for(20);
    assert!(goes.frames() > 20);
    room.order(&["kick", "Member 1000"]);
    let kicked = Instant::now();
    let mut later = 0;
    while kicked.elapsed() < Duration::from_secs(4) {
        wait_for(1);
        let last = stay[0].heard.lock().unwrap().last.clone().unwrap();
        if last.0.duration_since(kicked) > Duration::from_secs(1) {
            later += 1;
            assert!(!opens(&mut goes.heard.lock().unwrap().ring, &last.1));
        }
    }
    assert!(later > 50, "{later}");
    stay.iter().for_each(Member::assert_whole);
    let mut gone = goes.heard.lock().unwrap();
    for member in &stay {
        let mut heard = member.heard.lock().unwrap();
        let forged = gone.forge(&heard.last.as_ref().unwrap().1);
        assert!(!forged.is_empty());
        assert!(forged.iter().all(|forged| !opens(&mut heard.ring, forged)), "it speaks on");
    }
    let last = gone.last.as_ref().unwrap().1.clone();
    assert!(gone.forge(&last).iter().any(|forged| opens(&mut gone.ring, forged)), "as it could");
    assert_eq!((gone.missing, gone.unopened, gone.has_ended), (0, 0, true));
}

#[test]
fn whoever_is_asked_to_leave_leaves_on_all_connections_and_learns_no_new_key_on_any() {
    let mut room = Room::open(1_000);
    let stays = [Member::join(&room, 1)];
    let all = ["a", "b", "c"].map(|id| Member::join_as(&room, 2, id));
    wait_for(&all, 5);
    room.order(&["kick", "Member 2"]);
    for member in &all {
        wait_until("the end", || member.heard.lock().unwrap().has_ended);
    }
    // The next epoch seals half a second later.
    wait_for(&stays, 60);
    let last = stays[0].heard.lock().unwrap().last.clone().unwrap();
    assert!(all.iter().all(|member| !opens(&mut member.heard.lock().unwrap().ring, &last.1)));
    stays[0].assert_whole();
    for number in [1, 2] {
        let mut door = come(room.address);
        let (_, message) = door.ask(room.secret, number, &hello(number, "later"));
        door.say(&message);
        assert_eq!(door.hear().0 == kind::ENTERED, number == 1, "{number}");
    }
}

#[test]
fn what_somebody_said_to_enter_is_worth_nothing_on_another_connection() {
    let mut room = Room::open(1_000);
    let speaks = [Member::join(&room, 1)];
    let mut first = come(room.address);
    let (_, recorded) = first.ask(room.secret, 1, &hello(1, "1"));
    for _ in 0..300 {
        let mut again = come(room.address);
        again.say(&recorded);
        let (kind, body) = again.hear();
        assert_eq!(kind, kind::NOTICE);
        assert_eq!(Notice::read(&body).unwrap().reason, Reason::WrongKey);
    }
    wait_for(&speaks, 5);
    speaks[0].assert_whole();
    first.say(&recorded);
    assert_eq!(first.hear().0, kind::ENTERED, "on its own it is right");
    assert!(room.server.is_running());
}

#[test]
fn a_full_private_room_says_so_to_its_members_alone_and_gives_them_their_own_seats_back() {
    let room = Room::open(2);
    let members = [Member::join(&room, 1), Member::join(&room, 2)];
    wait_for(&members, 5);
    let mut third = come(room.address);
    let (_, message) = third.ask(room.secret, 3, &hello(3, "3"));
    third.say(&message);
    let (kind, body) = third.hear();
    assert_eq!((kind, Notice::read(&body).unwrap().reason), (kind::NOTICE, Reason::ServerFull));
    let mut open = come(room.address);
    open.say(&hello(4, "4").frame());
    let (kind, body) = open.hear();
    assert_eq!((kind, Notice::read(&body).unwrap().reason), (kind::NOTICE, Reason::Violation));
    let again = [Member::join(&room, 2)];
    wait_for(&again, 5);
    wait_until("the older connection's end", || members[1].heard.lock().unwrap().has_ended);
    members[0].assert_whole();
}

/// Strangers at the door who begin to speak, or do not, and never go on.
const STRANGERS: usize = 1_000;

/// A member comes in within this, however many strangers are there. They are sent away after five seconds.
const COMES_IN_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn a_thousand_strangers_who_never_finish_keep_no_member_out_and_cost_fifty_others_nothing() {
    let room = Room::open(52);
    let members: Vec<_> = (0..50).map(|number| Member::join(&room, number)).collect();
    wait_for(&members, 5);
    let begins = typed(kind::ENTER, &[7; 196]);
    let strangers = (0..STRANGERS).map(|n| {
        let mut stranger = TcpStream::connect(room.address).unwrap();
        // Whoever has made room for others hears nothing more.
        let _ = stranger.write_all(&begins[..n % begins.len()]);
        stranger
    });
    let strangers: Vec<_> = strangers.collect();
    let begun = Instant::now();
    let late = [Member::join(&room, 50), Member::join(&room, 51)];
    let took = begun.elapsed();
    println!("two came in within {took:?}");
    assert!(took < COMES_IN_WITHIN, "{took:?}");
    wait_for(&late, 20);
    wait_for(&members, 20);
    late.iter().chain(&members).for_each(Member::assert_whole);
    drop(strangers);
    let mut full = come(room.address);
    let (_, message) = full.ask(room.secret, 52, &hello(52, "52"));
    full.say(&message);
    let (_, body) = full.hear();
    assert_eq!(Notice::read(&body).unwrap().reason, Reason::ServerFull, "members do keep one out");
}

/// How long keys change as fast as they may, in two rooms at a time: six hundred of them.
const CHANGES_FOR: Duration = Duration::from_secs(30);

#[test]
fn six_hundred_epochs_at_ten_a_second_cost_nobody_a_frame() {
    let change = || {
        let mut room = Room::open(1_000);
        let members: Vec<_> = (0..10).map(|number| Member::join(&room, number)).collect();
        wait_for(&members, 5);
        let begun = Instant::now();
        let mut orders = 0;
        while begun.elapsed() < CHANGES_FOR {
            room.order(&["newkey"]);
            orders += 1;
        }
        wait_for(&members, 40);
        members.iter().for_each(Member::assert_whole);
        let epochs: Vec<_> =
            members.iter().map(|member| member.heard.lock().unwrap().epochs).collect();
        println!("{orders} new keys, {epochs:?} epochs");
        let most = 10 * CHANGES_FOR.as_secs() as usize + 10;
        assert!(
            epochs.iter().all(|epochs| (orders.min(most) / 2..=most).contains(epochs)),
            "{epochs:?}"
        );
    };
    thread::scope(|scope| {
        scope.spawn(change);
        scope.spawn(change);
    });
}
