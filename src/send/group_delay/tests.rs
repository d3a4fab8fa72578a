use super::*;
use crate::chance::Chance;
use crate::codec::Codec;
use crate::stats::Via;

const SECOND: u64 = 1_000_000;

fn listener(address: SocketAddr, name: &str) -> ListenerStats {
    ListenerStats {
        address,
        name: name.to_owned(),
        version: 3,
        via: Via::Udp,
        codec: Codec::Float32,
        connected_s: 0.0,
        queued: 0,
        frames: 0,
        bytes: 0,
        datagrams: 0,
        resent: 0,
        resent_refused: 0,
        dropped_full: 0,
        dropped_old: 0,
        report: None,
        person: None,
    }
}

/// A listener whose sound takes `path_ms` to it, and now and then longer.
struct Modelled {
    stats: ListenerStats,
    path_ms: f64,
    /// Every so many seconds sound is late by so many ms.
    hiccup: (u64, f64),
    extra_ms: u32,
    /// Whether it says what it has to spare.
    says: bool,
    dry_s: u32,
}

impl Modelled {
    fn new(number: u16, path_ms: f64, hiccup: (u64, f64)) -> Self {
        let address = SocketAddr::from(([10, 0, 0, 1], number));
        let stats = listener(address, &format!("L{number}"));
        Self { stats, path_ms, hiccup, extra_ms: 0, says: true, dry_s: 0 }
    }

    /// A second at which the room has this delay.
    fn hear(&mut self, second: u64, delay_ms: u32, chance: &mut Chance) {
        let (every_s, late_ms) = self.hiccup;
        let late_ms = if every_s > 0 && second % every_s == every_s - 1 { late_ms } else { 0.0 };
        let spread_ms = chance.uniform() * 8.0;
        let spare_ms = f64::from(delay_ms + self.extra_ms) - self.path_ms - spread_ms - late_ms;
        self.dry_s += u32::from(spare_ms < 0.0);
        let report = Report {
            buffered_ms: spare_ms.max(0.0) + 10.0,
            spare_ms: self.says.then_some(spare_ms),
            extra_ms: self.extra_ms,
            ..Report::default()
        };
        self.stats.connected_s += 1.0;
        self.stats.report = Some(report);
    }
}

/// A room over some hours.
struct Room {
    group: GroupDelay,
    listeners: Vec<Modelled>,
    second: u64,
    chance: Chance,
    /// All that the delay was, second by second, and all that was said.
    delays: Vec<u32>,
    said: Vec<String>,
}

impl Room {
    fn new(listeners: Vec<Modelled>) -> Self {
        let group = GroupDelay::new(300, 1024.0 / 48.0, 0);
        let chance = Chance::new(7);
        Self { group, listeners, second: 0, chance, delays: Vec::new(), said: Vec::new() }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.second += 1;
            let delay_ms = self.group.delay_ms();
            for listener in &mut self.listeners {
                listener.hear(self.second, delay_ms, &mut self.chance);
            }
            let stats: Vec<_> = self.listeners.iter().map(|one| one.stats.clone()).collect();
            if let Some(step) = self.group.look(&stats, self.second * SECOND) {
                assert_eq!(step.delay_ms, self.group.delay_ms());
                self.said.extend(step.say);
            }
            self.delays.push(self.group.delay_ms());
        }
    }

    fn ups(&self) -> usize {
        self.delays.windows(2).filter(|pair| pair[1] > pair[0]).count()
    }
}

#[test]
fn an_evening_on_good_networks_ends_with_the_shortest_delay_and_nobody_runs_dry() {
    let mut room = Room::new(vec![
        Modelled::new(1, 45.0, (0, 0.0)),
        Modelled::new(2, 60.0, (0, 0.0)),
        Modelled::new(3, 30.0, (47, 20.0)),
    ]);
    room.pass(4 * 3600);
    let delay_ms = room.group.delay_ms();
    assert!((80..=100).contains(&delay_ms), "{delay_ms} ms");
    assert!(room.listeners.iter().all(|one| one.dry_s == 0));
    assert_eq!(room.ups(), 0);
    // Said once, however many steps it took.
    assert!((1..=3).contains(&room.said.len()), "{:#?}", room.said);
    let downs = room.delays.windows(2).filter(|pair| pair[1] != pair[0]);
    assert!(downs.clone().all(|pair| pair[0] - pair[1] <= STEP_MS));
    let steps: Vec<_> =
        (1..room.delays.len()).filter(|&i| room.delays[i] != room.delays[i - 1]).collect();
    assert!(steps.windows(2).all(|pair| pair[1] - pair[0] >= 4), "one every four seconds");
}

#[test]
fn who_runs_dry_is_helped_at_once_and_what_was_too_short_is_not_tried_again_soon() {
    let mut room = Room::new(vec![
        Modelled::new(1, 45.0, (0, 0.0)),
        // Well for minutes, then a pause of its Wi-Fi.
        Modelled::new(2, 40.0, (1_200, 90.0)),
    ]);
    room.pass(6 * 3600);
    let ups = room.ups();
    assert!((1..=12).contains(&ups), "{ups} steps up in six hours: {:#?}", room.said);
    assert!(room.listeners[1].dry_s <= 18, "{} s", room.listeners[1].dry_s);
    assert!(room.said.len() <= 40, "{:#?}", room.said);
}

#[test]
fn one_far_worse_than_two_others_is_not_waited_for_and_one_of_two_is() {
    let good = |number| Modelled::new(number, 40.0, (0, 0.0));
    let mut bad = Modelled::new(9, 600.0, (0, 0.0));
    // It plays later by itself.
    bad.extra_ms = 400;
    let mut room = Room::new(vec![good(1), good(2), bad]);
    room.pass(2 * 3600);
    assert!(room.group.delay_ms() <= 100, "{}", room.group.delay_ms());
    assert!(room.said.iter().filter(|line| line.contains("“L9” needs far longer")).count() == 1);
    room.listeners.remove(0);
    room.pass(120);
    assert!(room.group.delay_ms() > 600, "{}", room.group.delay_ms());
    // And when it goes, the room need not wait any more.
    room.listeners.remove(1);
    room.pass(3 * 3600);
    assert!(room.group.delay_ms() <= 100, "{}", room.group.delay_ms());
}

#[test]
fn an_outage_and_nobody_at_all_move_nothing() {
    let mut room = Room::new(vec![Modelled::new(1, 40.0, (500, 5_000.0))]);
    room.pass(1_800);
    assert_eq!(room.ups(), 0, "{:#?}", room.said);
    room.listeners.clear();
    let before_ms = room.group.delay_ms();
    room.pass(3_600);
    assert_eq!(room.group.delay_ms(), before_ms);
}

#[test]
fn listeners_that_do_not_say_what_they_have_to_spare_keep_half_of_what_they_hold() {
    let mut old = Modelled::new(1, 40.0, (0, 0.0));
    old.says = false;
    let mut room = Room::new(vec![old]);
    room.pass(4 * 3600);
    assert!(room.group.delay_ms() < 150, "{}", room.group.delay_ms());
    assert_eq!((room.ups(), room.listeners[0].dry_s), (0, 0));
}

#[test]
fn figures_that_cannot_be_move_it_within_its_limits_at_most() {
    let mut group = GroupDelay::new(300, 1024.0 / 48.0, 0);
    let wild = [f64::MAX, -f64::MAX, 1e300, -499.0, 0.0];
    for second in 0..50_000_u64 {
        let figure = |n: u64| wild[usize::try_from((second / 7 + n) % 5).unwrap()];
        let report = Report {
            spare_ms: (second % 3 > 0).then(|| figure(0)),
            buffered_ms: figure(1),
            round_trip_ms: figure(2),
            output_latency_ms: figure(3),
            extra_ms: if second % 11 == 0 { u32::MAX } else { 0 },
            lost_datagrams: second.wrapping_mul(u64::MAX / 3),
            ..Report::default()
        };
        let address = SocketAddr::from(([10, 0, 0, 1], 1));
        let mut stats = listener(address, "wild");
        (stats.connected_s, stats.report) = (100.0, Some(report));
        let _ = group.look(&[stats], second * SECOND);
        assert!((40..=1_000).contains(&group.delay_ms()));
    }
}

#[test]
fn no_card_is_opened_anew_for_a_shorter_delay() {
    let mut room = Room::new(vec![Modelled::new(1, 10.0, (0, 0.0))]);
    room.pass(4 * 3600);
    assert_eq!(room.group.delay_ms(), 80, "it was opened for 300 ms");
    // Whoever comes now opens for less.
    room.listeners[0] = Modelled::new(2, 10.0, (0, 0.0));
    room.pass(4 * 3600);
    assert!((40..=50).contains(&room.group.delay_ms()), "{}", room.group.delay_ms());
}
