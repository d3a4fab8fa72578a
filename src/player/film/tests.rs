use super::*;

const SECOND: u64 = 1_000_000;

/// A player that does what it is told.
struct Player {
    film: Film,
    value_s: f64,
    playing: Option<u64>,
    now_us: u64,
    said: Vec<News>,
}

impl Player {
    fn with(value_s: f64) -> Self {
        let film = Film::default();
        Self { film, value_s, playing: Some(1), now_us: 100 * SECOND, said: Vec::new() }
    }

    /// Looks five times a second for `ms`.
    fn plays(&mut self, delay_ms: u32, ms: u64) {
        for _ in 0..ms / 200 {
            self.now_us += 200_000;
            let reading = Reading::new(self.value_s, self.playing).unwrap();
            let next = self.film.look(reading, delay_ms, self.now_us);
            self.said.extend(next.news);
            if let Some(set_s) = next.set_s {
                self.value_s = set_s;
            }
        }
    }
}

#[track_caller]
fn near(one: f64, other: f64) {
    assert!(is_close(one, other), "{one} and {other}");
}

#[test]
fn the_picture_follows_the_delay_and_at_the_end_is_as_it_was() {
    let mut player = Player::with(0.0);
    for delay_ms in [300, 800, 25, 300] {
        player.plays(delay_ms, 600);
        near(player.value_s, -f64::from(delay_ms) / 1e3);
    }
    assert_eq!((player.said, player.film.state()), (vec![News::Holds], State::Held));
    near(player.film.restored_s(player.value_s).unwrap(), 0.0);
}

#[test]
fn what_the_person_at_the_player_had_set_stays_below_ours_and_is_put_back_exactly() {
    let mut player = Player::with(0.05);
    player.plays(300, 600);
    near(player.value_s, -0.25);
    // A little to and fro.
    player.value_s += 0.1;
    player.plays(300, 2_000);
    near(player.value_s, -0.15);
    player.plays(400, 1_000);
    near(player.value_s, -0.25);
    near(player.film.restored_s(player.value_s).unwrap(), 0.15);
}

#[test]
fn somebody_who_puts_the_picture_back_has_it_so_until_the_next_film() {
    let mut player = Player::with(0.0);
    player.plays(300, 3_000);
    player.value_s = 0.0;
    player.plays(300, 5_000);
    player.plays(500, 5_000);
    near(player.value_s, 0.0);
    assert_eq!(player.said, [News::Holds, News::PutBack]);
    assert_eq!(player.film.restored_s(player.value_s), None);
    player.playing = Some(2);
    player.plays(500, 1_000);
    near(player.value_s, -0.5);
}

#[test]
fn what_somebody_sets_while_the_picture_is_put_back_is_theirs_and_stays_below_ours_in_the_next_film()
 {
    for is_set_with_the_film in [false, true] {
        let mut player = Player::with(0.0);
        player.plays(300, 3_000);
        player.value_s = 0.0;
        player.plays(300, 3_000);
        player.value_s = 0.1;
        player.plays(300, 3_000);
        near(player.value_s, 0.1);
        if is_set_with_the_film {
            player.value_s = 0.2;
        }
        let own_s = player.value_s;
        assert_eq!(player.film.restored_s(own_s), None);
        player.playing = Some(2);
        player.plays(500, 5_000);
        near(player.value_s, own_s - 0.5);
        near(player.film.restored_s(player.value_s).unwrap(), own_s);
    }
}

#[test]
fn a_new_film_that_has_its_own_audio_delay_is_set_again() {
    let mut player = Player::with(0.0);
    player.plays(300, 600);
    for own_s in [0.0, 0.2, -0.3] {
        player.playing = player.playing.map(|film| film + 1);
        player.plays(300, 200);
        player.value_s = own_s;
        player.plays(300, 1_000);
        near(player.value_s, own_s - 0.3);
        player.plays(300, 5_000);
        near(player.film.restored_s(player.value_s).unwrap(), own_s);
    }
}

#[test]
fn a_player_that_has_just_begun_and_takes_back_what_it_was_told_is_told_again() {
    for was_idle in [false, true] {
        let mut player = Player::with(0.0);
        if was_idle {
            player.playing = None;
            player.plays(300, 1_000);
            player.playing = Some(1);
        }
        player.plays(300, 600);
        player.value_s = 0.0;
        player.plays(300, 1_000);
        near(player.value_s, -0.3);
        assert_eq!(player.said, [News::Holds]);
    }
}

#[test]
fn a_film_that_keeps_the_audio_delay_of_the_one_before_is_left_as_it_is() {
    let mut player = Player::with(0.0);
    player.plays(300, 600);
    player.playing = Some(2);
    player.plays(300, 5_000);
    near(player.value_s, -0.3);
    near(player.film.restored_s(player.value_s).unwrap(), 0.0);
}

#[test]
fn where_nothing_plays_nothing_is_told() {
    let mut player = Player::with(0.0);
    player.playing = None;
    player.plays(300, 5_000);
    near(player.value_s, 0.0);
    player.playing = Some(1);
    player.plays(300, 1_000);
    near(player.value_s, -0.3);
    // Stopped: VLC forgets what it was told.
    (player.playing, player.value_s) = (None, 0.0);
    player.plays(300, 5_000);
    assert_eq!(player.film.restored_s(0.0), None);
}

#[test]
fn a_player_that_claims_and_does_not_is_told_thrice_and_then_left_alone_for_half_a_minute() {
    let mut film = Film::default();
    let (mut told, mut said) = (Vec::new(), Vec::new());
    for look in 0..600 {
        let next = film.look(Reading::new(0.0, Some(1)).unwrap(), 300, look * 200_000);
        told.extend(next.set_s.map(|_| look / 5));
        said.extend(next.news);
    }
    assert_eq!(said, [News::Lies], "said once");
    assert!((6..=16).contains(&told.len()), "{told:?}");
    assert_eq!(film.restored_s(0.0), None);
    assert_eq!(film.state(), State::Lies);
}

#[test]
fn a_player_that_obeys_after_two_seconds_is_held_and_has_its_own_back_at_the_end() {
    const LATE_US: u64 = 2 * SECOND;
    let mut film = Film::default();
    let (mut value_s, mut told, mut said) = (0.1, Vec::new(), Vec::new());
    let mut looks_between = 0;
    for look in 0..50 {
        let now_us = 100 * SECOND + look * 200_000;
        for &(at_us, told_s) in &told {
            if now_us >= at_us + LATE_US {
                value_s = told_s;
            }
        }
        let next = film.look(Reading::new(value_s, Some(1)).unwrap(), 300, now_us);
        told.extend(next.set_s.map(|set_s| (now_us, set_s)));
        said.extend(next.news);
        if said == [News::Lies] && is_close(value_s, 0.1) {
            // Should the server end now, what it was told comes yet.
            looks_between += 1;
            assert_eq!(film.restored_s(value_s), None);
            near(film.repeated_s(value_s).unwrap(), 0.1);
            near(film.restored_s(-0.2).unwrap(), 0.1);
        }
    }
    assert_eq!((said, film.state()), (vec![News::Lies, News::Holds], State::Held));
    assert!(looks_between > 0, "it was never seen to lie before it obeyed");
    near(value_s, -0.2);
    near(film.restored_s(value_s).unwrap(), 0.1);
    assert_eq!(film.repeated_s(value_s), None);
}

#[test]
fn what_a_server_left_behind_is_taken_over_and_not_counted_twice() {
    let mut film = Film::left_behind(0.02, -0.28);
    near(film.restored_s(-0.28).unwrap(), 0.02);
    assert_eq!(film.restored_s(-0.1), None, "somebody else has set that since");
    let next = film.look(Reading::new(-0.28, Some(1)).unwrap(), 500, SECOND);
    near(next.set_s.unwrap(), -0.48);
}

#[test]
fn what_cannot_be_an_audio_delay_is_none() {
    for value_s in [f64::NAN, f64::INFINITY, -1e300, 3_601.0] {
        assert_eq!(Reading::new(value_s, Some(1)), None);
    }
}
