use super::*;
use crate::chance::Chance;

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Pieces are sent this far apart.
const APART: u64 = 5_000;

/// A time during which nothing comes.
#[derive(Clone, Copy)]
struct Hole {
    from_us: u64,
    length_us: u64,
    what: What,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    /// What is sent comes behind it, all at once.
    Holds,
    Loses,
    /// The PC does not get round to reading.
    Busy,
    /// The server itself has nothing to send.
    Broken,
}

/// A network.
struct Way {
    system: &'static str,
    holes: Vec<Hole>,
    /// Of a thousand pieces, so many are lost.
    loses_permille: u64,
    jitter_us: u64,
    /// Whether sound is missing for what is lost or held back.
    is_heard: bool,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            system: "linux",
            holes: Vec::new(),
            loses_permille: 0,
            jitter_us: 2_000,
            is_heard: true,
        }
    }
}

impl Way {
    fn with_holes(holes: impl IntoIterator<Item = (u64, u64)>, what: What) -> Self {
        let hole = |(from_us, length_us)| Hole { from_us, length_us, what };
        Self { holes: holes.into_iter().map(hole).collect(), ..Self::default() }
    }

    /// What is said in that time, and when.
    fn say(&self, for_us: u64) -> Vec<(u64, Finding)> {
        let (mut air, mut chance) = (Air::new(self.system), Chance::new(7));
        air.begin(APART);
        let (mut said, mut lost, mut missing, mut holes) = (Vec::new(), 0, 0, self.holes.iter());
        let mut hole = holes.next();
        let (mut came_us, mut looked_us, mut broken) = (0, 0, false);
        for sent_us in (APART..for_us).step_by(APART as usize) {
            let mut at_us = sent_us + chance.bits() % (self.jitter_us + 1);
            while hole.is_some_and(|hole| sent_us >= hole.from_us + hole.length_us) {
                if hole.is_some_and(|hole| hole.what == What::Busy) {
                    // The thread had wanted to run each time that something came.
                    air.woke(came_us + APART, at_us);
                }
                hole = holes.next();
            }
            match hole.copied().filter(|hole| sent_us >= hole.from_us) {
                Some(Hole { what: What::Loses, .. }) => (lost, missing) = (lost + 1, missing + 1),
                Some(Hole { what: What::Broken, .. }) => broken = true,
                Some(Hole { from_us, length_us, what }) => {
                    at_us = from_us + length_us;
                    missing += 1;
                    if what == What::Busy {
                        air.woke(came_us + APART, at_us);
                    }
                    came_us = at_us.max(came_us);
                    air.arrived(Arrived { at_us: came_us, lost_before: 0, broken: false });
                }
                None if chance.bits() % 1_000 < self.loses_permille => {
                    (lost, missing) = (lost + 1, missing + 1);
                }
                None => {
                    came_us = at_us.max(came_us);
                    let lost_before = std::mem::take(&mut lost);
                    let broken = std::mem::take(&mut broken);
                    air.arrived(Arrived { at_us: came_us, lost_before, broken });
                }
            }
            if sent_us >= looked_us + SECOND {
                looked_us = sent_us;
                let missing = if self.is_heard { missing } else { 0 };
                said.extend(air.look(sent_us, missing).map(|finding| (sent_us, finding)));
            }
        }
        said
    }
}

fn searches(every_us: u64, until_us: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut chance = Chance::new(3);
    (1..until_us / every_us).map(move |turn| {
        (turn * every_us + chance.bits() % (2 * SECOND), 100_000 + chance.bits() % 150_000)
    })
}

#[test]
fn a_clean_network_is_never_told_of_whatever_the_card_does() {
    assert_eq!(Way { jitter_us: 500, ..Way::default() }.say(HOUR), []);
    assert_eq!(Way { jitter_us: 30_000, ..Way::default() }.say(2 * HOUR), []);
    let like_all = Way { loses_permille: 3, ..Way::default() };
    assert_eq!(like_all.say(HOUR), [], "three of a thousand are lost everywhere");
}

#[test]
fn pauses_about_every_half_minute_are_searches_and_said_every_ten_minutes() {
    for what in [What::Holds, What::Loses] {
        let said = Way::with_holes(searches(30 * SECOND, 2 * HOUR), what).say(2 * HOUR);
        assert!(said[0].0 < 4 * MINUTE, "{:?}", said[0]);
        assert!((11..=12).contains(&said.len()), "{said:?}");
        for (_, finding) in said {
            let Finding::Searches { pause_ms, every_s } = finding else { panic!("{finding:?}") };
            assert!((28..=32).contains(&every_s) && (90..=260).contains(&pause_ms), "{finding:?}");
        }
    }
}

#[test]
fn a_search_that_visits_one_channel_after_the_other_is_one_pause() {
    let visits = searches(45 * SECOND, HOUR)
        .flat_map(|(from_us, _)| (0..6).map(move |n| (from_us + n * 700_000, 90_000)));
    let said = Way::with_holes(visits, What::Holds).say(HOUR);
    assert!(!said.is_empty());
    for (_, finding) in said {
        assert!(matches!(finding, Finding::Searches { every_s: 43..=47, .. }), "{finding:?}");
    }
}

#[test]
fn steady_loss_on_a_mac_is_airdrop_and_elsewhere_loss() {
    let mac = Way { system: "macos", loses_permille: 110, ..Way::default() };
    let said = mac.say(30 * MINUTE);
    assert!(said.len() >= 3, "{said:?}");
    let (first_us, first) = said[0];
    // Before a minute has passed it is loss of which the cause is not known.
    assert!(first_us <= 61 * SECOND && matches!(first, Finding::Loss { .. }), "{first:?}");
    for (_, finding) in &said[1..] {
        assert!(matches!(finding, Finding::AirDrop { percent: 10..=12 }), "{finding:?}");
    }
    let said = Way { system: "windows", ..mac }.say(30 * MINUTE);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().all(|(_, finding)| matches!(finding, Finding::Loss { .. })));
}

#[test]
fn one_long_hole_is_a_change_of_access_point_and_said_once() {
    for (length_us, what) in
        [(700_000, What::Loses), (1_800_000, What::Holds), (4_900_000, What::Loses)]
    {
        let said = Way::with_holes([(10 * MINUTE, length_us)], what).say(HOUR);
        let [(_, Finding::Roamed { hole_ms })] = said[..] else { panic!("{said:?}") };
        assert!(u64::from(hole_ms).abs_diff(length_us / 1_000) < 20, "{hole_ms}");
    }
    let outage = Way::with_holes([(10 * MINUTE, 20 * SECOND)], What::Loses);
    assert_eq!(outage.say(HOUR), [], "of an outage others tell");
}

#[test]
fn pauses_out_of_step_are_others_in_the_air() {
    let bursts = (1..20 * 20).map(|n| (n * 3 * SECOND, 65_000));
    let said = Way::with_holes(bursts, What::Loses).say(20 * MINUTE);
    assert!(!said.is_empty());
    for (_, finding) in said {
        assert!(matches!(finding, Finding::Crowded { longest_ms: 50..=75, .. }), "{finding:?}");
    }
}

#[test]
fn pauses_at_random_are_hardly_ever_taken_for_searches() {
    let mut chance = Chance::new(11);
    let mut at_us = 0;
    let holes: Vec<_> = std::iter::from_fn(|| {
        // Exponential distances of half a minute on average.
        let uniform = (chance.bits() % (1 << 20) + 1) as f64 / f64::from(1 << 20);
        at_us += (-uniform.ln() * 30e6) as u64 + 300_000;
        Some((at_us, 60_000 + chance.bits() % 200_000))
    })
    .take_while(|(at_us, _)| *at_us < 10 * HOUR)
    .collect();
    let said = Way::with_holes(holes, What::Holds).say(10 * HOUR);
    let wrong = said.iter().filter(|(_, finding)| matches!(finding, Finding::Searches { .. }));
    let wrong = wrong.count();
    assert!(wrong <= 3, "{wrong} in ten hours");
}

#[test]
fn loss_without_a_known_cause_is_told_in_words() {
    let said = Way { loses_permille: 50, ..Way::default() }.say(5 * MINUTE);
    let [(_, finding @ Finding::Loss { percent: 4..=6 })] = said[..] else { panic!("{said:?}") };
    assert!(finding.what().contains("of 100 pieces of sound are lost"), "{}", finding.what());
}

#[test]
fn a_pc_that_was_busy_or_asleep_is_not_told_of_its_wi_fi() {
    let busy = Way::with_holes(searches(30 * SECOND, HOUR), What::Busy);
    assert_eq!(busy.say(HOUR), []);
    assert_eq!(Way::with_holes([(MINUTE, 2 * SECOND)], What::Busy).say(HOUR), []);
}

#[test]
fn sound_that_is_broken_at_the_server_is_no_fault_of_the_way() {
    let broken = Way::with_holes(searches(30 * SECOND, HOUR), What::Broken);
    assert_eq!(broken.say(HOUR), []);
}

#[test]
fn what_was_mended_in_time_is_known_and_not_said() {
    let way = Way::with_holes(searches(30 * SECOND, HOUR), What::Holds);
    assert_eq!(Way { is_heard: false, ..way }.say(HOUR), []);
    let mut air = Air::new("linux");
    air.begin(APART);
    for sent in 1..3_000 {
        // Every tenth is lost.
        let at_us = sent * 20_000;
        if sent % 10 != 0 {
            let lost_before = u32::from(sent % 10 == 1);
            air.arrived(Arrived { at_us, lost_before, broken: false });
        }
        assert_eq!(air.look(at_us, 0), None);
    }
    assert_eq!(air.finding(MINUTE), Some(Finding::Loss { percent: 10 }));
}

#[test]
fn each_system_is_told_where_its_own_switch_is() {
    let search = Finding::Searches { pause_ms: 120, every_s: 30 };
    for (system, switch) in [
        ("windows", "netsh wlan"),
        ("macos", "Location Services"),
        ("linux", "nmcli"),
        ("bsd", "Close"),
    ] {
        let sentence = Air::new(system).sentence(search);
        assert!(sentence.contains("pauses for 120 ms about every 30 s"), "{sentence}");
        assert!(sentence.contains(switch) && !sentence.ends_with('.'), "{sentence}");
    }
    let sentence = Air::new("macos").sentence(Finding::AirDrop { percent: 11 });
    assert!(sentence.contains("Turn AirDrop off"), "{sentence}");
}

#[test]
fn what_was_lost_because_it_was_too_much_is_not_said_again_once_less_comes() {
    let (f32, opus) = (Codec::Float32, Codec::parse("opus:128").unwrap());
    let mut air = Air::new("linux");
    air.begin(APART);
    air.comes_as(f32, Some(f32));
    let (mut missing, mut said) = (0, Vec::new());
    for at_us in (APART..5 * MINUTE).step_by(APART as usize) {
        // Every other piece does not fit, for as long as it takes to see that, and until the change;
        // minutes later a twentieth is lost in the air.
        let every = if at_us < 3 * SECOND { 2 } else { 20 };
        let is_bad = !(3 * SECOND..=3 * MINUTE).contains(&at_us);
        let is_behind_a_gap = is_bad && (at_us / APART).is_multiple_of(every);
        missing += u64::from(is_behind_a_gap);
        let lost_before = u32::from(is_behind_a_gap);
        air.arrived(Arrived { at_us, lost_before, broken: false });
        if at_us == 2 * SECOND {
            air.relieved(at_us);
        } else if at_us == 3 * SECOND {
            air.comes_as(opus, Some(f32));
        }
        if at_us.is_multiple_of(SECOND) {
            said.extend(air.look(at_us, missing).map(|finding| (at_us, finding)));
        }
        if at_us == 2 * MINUTE {
            let shown = air.finding(at_us).unwrap().what();
            assert_eq!(shown, "f32 is more than the network carries, so sound comes as opus:128");
        }
    }
    let [(said_us, loss @ Finding::Loss { .. })] = said[..] else { panic!("{said:?}") };
    assert!(said_us > 3 * MINUTE, "{said_us}");
    assert!(!air.sentence(loss).contains("--codec"), "{}", air.sentence(loss));
    air.comes_as(f32, Some(f32));
    assert!(air.sentence(loss).contains("--codec opus"), "{}", air.sentence(loss));
    let shown = air.finding(5 * MINUTE);
    assert!(matches!(shown, Some(Finding::Loss { .. })), "nothing is too much now: {shown:?}");
}
