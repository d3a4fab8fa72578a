//! The keys of a private room: who may enter, and what seals its sound from when on.
//!
//! Pure: time and random bytes are arguments.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use crate::allowance::Allowance;
use crate::format::hex;
use crate::secure::Key;
use crate::secure::handshake::{Asked, Refusal, Terms};
use crate::secure::host::Host;
use crate::secure::keyring::EPOCHS_KEPT;
use crate::secure::room::Secret;
use crate::wire::datagram::epochs_datagram;
use crate::wire::{Epochs, ONCE, PrivateRoom, RoomKeys, SecretText};

/// An epoch lasts so long, in µs: whoever is let in can open what they recorded up to a minute before.
const EPOCH_US: u64 = 60_000_000;

/// So long before its first sound an epoch is told, in µs, where there is no hurry: longer than TCP stands
/// still on a path that still works.
const TOLD_BEFORE_US: u64 = 10_000_000;

/// And so long where somebody was asked to leave, who can open all until then.
const HASTY_US: u64 = 500_000;

/// Keys that were told in a hurry are told by datagram too, for TCP may stand still for longer: this often, and
/// until so long after the first sound that they seal, in µs.
const TOLD_AGAIN_US: u64 = 100_000;
const TOLD_UNTIL_US: u64 = 1_000_000;

/// Epochs begin no closer together than this, in µs: ten a second.
const CLOSEST_US: u64 = 100_000;

/// Sound of an epoch may still be sent for so long after it, in µs: as long as any playout delay, and what
/// listeners add to it.
const HEARD_FOR_US: u64 = 21_000_000;

/// Secrets that the room had and are known again, and people who came in with them: more than anybody asks
/// to leave in an evening, or lets in.
const MOST_FORMER: usize = 64;
const MOST_MEMBERS: usize = 4_096;

/// Whoever was in and has been gone for so long, in µs, does not come in again with a former secret: as long as
/// somebody is away who changes rooms or PCs, and not so long that keys can be kept for later.
const AWAY_US: u64 = 10 * 60 * 1_000_000;

/// Handshakes in a second: a third of a millisecond each.
const ENTER_PER_SECOND: u64 = 200;

/// An epoch that was told.
#[derive(Debug, Clone)]
pub(super) struct Epoch {
    pub(super) number: u8,
    pub(super) secret: Key,
    /// When its first sound is sealed.
    from_us: u64,
    /// It was told in a hurry.
    is_hasty: bool,
}

/// The room's keys.
#[derive(Debug)]
pub(super) struct Keys {
    secrets: Host,
    /// Secrets that the room had, the newest last: whoever came in with one comes in with it again, and
    /// nobody else.
    former: VecDeque<Secret>,
    /// The public keys of all who came in, and when they were last known to be there, in µs.
    members: VecDeque<([u8; 32], u64)>,
    /// The epoch whose key is in use.
    in_use: Option<u8>,
    /// Told epochs, the newest last, as long as any of their sound may be heard. The first is in use.
    epochs: VecDeque<Epoch>,
    /// Somebody who knew the newest was asked to leave.
    is_hasty: bool,
    /// The room's secret is another one than has been told.
    is_changed: bool,
    /// When keys were told by datagram last, in µs.
    told_again_us: u64,
    enters: Allowance,
}

impl Keys {
    /// The keys of a room whose first epoch, in use at once, has the secret `first`.
    pub(super) fn new(secrets: Host, (first, number): (Key, u8), now_us: u64) -> Self {
        let epochs =
            VecDeque::from([Epoch { number, secret: first, from_us: now_us, is_hasty: false }]);
        let enters = Allowance::per_second(ENTER_PER_SECOND);
        let (former, members) = (VecDeque::new(), VecDeque::new());
        Self {
            secrets,
            former,
            members,
            in_use: None,
            epochs,
            is_hasty: false,
            is_changed: false,
            told_again_us: 0,
            enters,
        }
    }

    /// What the room says of itself on the connection that has `once` alone.
    pub(super) fn describe(&self, once: [u8; ONCE]) -> PrivateRoom {
        let Host { secret, pair } = &self.secrets;
        PrivateRoom { key: pair.public, id: hex(&secret.id()), once }
    }

    /// The room's secret as it is now, and the server's keys.
    pub(super) fn secrets(&self) -> &Host {
        &self.secrets
    }

    /// How many keys have come in since the start.
    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// What the first message on a connection says, whose config that was, at `now_us`; `random` is for its
    /// handshake alone.
    pub(super) fn take(
        &mut self,
        (message, config): (&[u8], &[u8]),
        random: &Key,
        now_us: u64,
    ) -> Result<Asked, Refused> {
        let Self { secrets, former, members, .. } = self;
        let current = std::iter::once(&secrets.secret);
        let mut terms = current.chain(former.iter().rev()).map(|secret| Terms {
            secret,
            own: &secrets.pair,
            config,
            random,
        });
        let terms = terms.find(|terms| terms.is_from_member(message)).ok_or(Refused::Key)?;
        if !self.enters.takes(now_us) {
            return Err(Refused::Busy);
        }
        let asked = terms.take(message).map_err(|refusal| match refusal {
            Refusal::Stranger => Refused::Key,
            Refusal::Broken => Refused::Broken,
        })?;
        let is_member = |(key, _): &([u8; 32], u64)| *key == asked.client;
        if *terms.secret != secrets.secret && !members.iter().any(is_member) {
            return Err(Refused::Key);
        }
        Ok(asked)
    }

    /// Whoever has that key is in: they come again also when the room has another secret.
    pub(super) fn came_in(&mut self, client: [u8; 32], now_us: u64) {
        self.members.retain(|(key, _)| *key != client);
        self.members.push_back((client, now_us));
        self.members.drain(..self.members.len().saturating_sub(MOST_MEMBERS));
    }

    /// Whoever has that key is there, or was until now.
    pub(super) fn was_there(&mut self, client: &[u8; 32], now_us: u64) {
        if let Some((_, at_us)) = self.members.iter_mut().find(|(key, _)| key == client) {
            *at_us = now_us;
        }
    }

    /// The room has another secret from now on, and the next epoch comes soon: whoever was asked to leave
    /// knows neither, and whoever has long been gone comes with the new secret alone. Returns what is to be kept.
    pub(super) fn change(&mut self, secret: Secret, removed: &[[u8; 32]], now_us: u64) -> Host {
        let is_near = |at_us: u64| now_us.saturating_sub(at_us) < AWAY_US;
        self.members.retain(|(key, at_us)| !removed.contains(key) && is_near(*at_us));
        self.former.push_back(std::mem::replace(&mut self.secrets.secret, secret));
        if self.former.len() > MOST_FORMER {
            self.former.pop_front();
        }
        (self.is_hasty, self.is_changed) = (true, true);
        self.secrets.clone()
    }

    /// The epoch that seals sound now.
    pub(super) fn epoch(&self, now_us: u64) -> &Epoch {
        let begun = self.epochs.iter().rev().find(|epoch| epoch.from_us <= now_us);
        begun.unwrap_or(&self.epochs[0])
    }

    /// The epoch that seals sound from now on, where that is another than before.
    pub(super) fn turn(&mut self, now_us: u64) -> Option<Epoch> {
        let is_same = self.in_use == Some(self.epoch(now_us).number);
        let epoch = (!is_same).then(|| self.epoch(now_us).clone())?;
        self.in_use = Some(epoch.number);
        Some(epoch)
    }

    /// What a newcomer is told: the secret of its own sound, and all epochs whose sound may come.
    pub(super) fn for_newcomer(&self, own: &Key) -> RoomKeys {
        let epochs = self.epochs.iter();
        let epochs = epochs.map(|epoch| (epoch.number, SecretText::new(epoch.secret.bytes())));
        let secret = SecretText::new(self.secrets.secret.bytes());
        RoomKeys { own: SecretText::new(own.bytes()), epochs: epochs.collect(), secret }
    }

    /// Whether a new epoch is to be told.
    pub(super) fn is_due(&self, now_us: u64) -> bool {
        let told_us = |epoch: &Epoch| now_us.saturating_sub(epoch.from_us);
        let newest = self.epochs.back();
        let is_old = newest.is_some_and(|epoch| told_us(epoch) + TOLD_BEFORE_US >= EPOCH_US);
        let soonest_us = now_us + HASTY_US;
        let before = self.epochs.iter().rev().find(|epoch| epoch.from_us <= soonest_us);
        let is_apart = before.is_none_or(|epoch| soonest_us >= epoch.from_us + CLOSEST_US);
        is_old || self.is_hasty && is_apart
    }

    /// Begins an epoch with that secret, and says what is to be told of it.
    pub(super) fn begin(&mut self, secret: Key, now_us: u64) -> Epochs {
        let is_hasty = std::mem::take(&mut self.is_hasty);
        let ahead_us = if is_hasty { HASTY_US } else { TOLD_BEFORE_US };
        let newest = self.epochs.back();
        let number = newest.map_or(0, |epoch| epoch.number.wrapping_add(1));
        // What was to begin later than this does not begin.
        let from_us = now_us + ahead_us;
        while self.epochs.len() > 1 && self.epochs.back().is_some_and(|one| one.from_us > from_us) {
            self.epochs.pop_back();
        }
        self.epochs.push_back(Epoch { number, secret: secret.clone(), from_us, is_hasty });
        self.forget(now_us);
        let changed = std::mem::take(&mut self.is_changed);
        Epochs {
            epochs: [(number, SecretText::new(secret.bytes()))].into(),
            since: self.since(),
            secret: changed.then(|| SecretText::new(self.secrets.secret.bytes())),
        }
    }

    /// Nobody is in the room any more, and its positions begin anew: no key seals two sounds of one place.
    pub(super) fn begin_anew(&mut self, secret: Key, now_us: u64) {
        let number = self.epochs.back().map_or(0, |epoch| epoch.number.wrapping_add(1));
        self.epochs.clear();
        self.epochs.push_back(Epoch { number, secret, from_us: now_us, is_hasty: false });
        (self.in_use, self.is_hasty) = (None, false);
    }

    /// What is to be told where epochs are over: from then on those who were asked to leave know none that
    /// anybody would still open.
    pub(super) fn end(&mut self, now_us: u64) -> Option<Epochs> {
        let before = self.since();
        self.forget(now_us);
        let since = self.since();
        (since != before).then(|| Epochs { since, ..Epochs::default() })
    }

    /// The oldest epoch whose sound may still come.
    fn since(&self) -> Option<u8> {
        self.epochs.front().map(|epoch| epoch.number)
    }

    /// The datagram that tells what was told in a hurry, where it is time to.
    pub(super) fn tell_again(&mut self, now_us: u64) -> Option<Zeroizing<Vec<u8>>> {
        let is_needed = |one: &&Epoch| one.is_hasty && now_us < one.from_us + TOLD_UNTIL_US;
        if now_us < self.told_again_us + TOLD_AGAIN_US
            || !self.epochs.iter().any(|one| is_needed(&one))
        {
            return None;
        }
        self.told_again_us = now_us;
        let needed = self.epochs.iter().filter(is_needed);
        Some(epochs_datagram(needed.map(|epoch| (epoch.number, epoch.secret.bytes()))))
    }

    /// Forgets epochs whose sound nobody waits for any more.
    fn forget(&mut self, now_us: u64) {
        let is_over = |next: &Epoch| next.from_us + HEARD_FOR_US < now_us;
        while self.epochs.len() >= EPOCHS_KEPT || self.epochs.get(1).is_some_and(is_over) {
            self.epochs.pop_front();
        }
    }
}

/// Why somebody may not enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// They have another key than the room's.
    Key,
    /// What they sent was changed, or is for another server.
    Broken,
    /// Too many want to enter at the same moment.
    Busy,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::handshake::Pair;

    const S: u64 = 1_000_000;

    fn keys() -> Keys {
        let pair = Pair::new(Key::new([2; 32]));
        let secrets = Host { secret: Secret::new([1; 16]), pair };
        Keys::new(secrets, (Key::new([0; 32]), 7), 0)
    }

    fn secret(n: u64) -> Key {
        Key::new([9; 32]).derive("", &n.to_be_bytes())
    }

    #[test]
    fn an_epoch_is_told_ten_seconds_before_it_seals_and_lasts_a_minute() {
        let mut keys = keys();
        let (mut told, mut seals) = (Vec::new(), vec![(0, 7)]);
        for now_us in (0..200 * S).step_by(100_000) {
            if keys.is_due(now_us) {
                let news = keys.begin(secret(now_us), now_us);
                told.push((now_us / S, *news.epochs.keys().next().unwrap()));
            }
            let number = keys.epoch(now_us).number;
            if seals.last() != Some(&(seals.last().unwrap().0, number)) {
                seals.push((now_us / S, number));
            }
        }
        assert_eq!(told, [(50, 8), (110, 9), (170, 10)]);
        assert_eq!(seals, [(0, 7), (60, 8), (120, 9), (180, 10)]);
        assert!(keys.for_newcomer(&secret(0)).epochs.len() <= 2);
    }

    #[test]
    fn whoever_was_asked_to_leave_opens_nothing_after_half_a_second_even_if_an_epoch_was_told() {
        let mut keys = keys();
        keys.begin(secret(1), 50 * S);
        keys.change(Secret::new([5; 16]), &[[0; 32]], 55 * S);
        assert!(keys.is_due(55 * S));
        let news = keys.begin(secret(2), 55 * S);
        assert_eq!(news.epochs.keys().collect::<Vec<_>>(), [&9]);
        assert_eq!(keys.epoch(55 * S + HASTY_US - 1).number, 7);
        for later_us in [55 * S + HASTY_US, 60 * S, 61 * S, 90 * S] {
            assert_eq!(keys.epoch(later_us).number, 9);
        }
    }

    #[test]
    fn what_is_told_in_a_hurry_is_told_by_datagram_too_until_it_has_sealed_for_a_second() {
        let mut keys = keys();
        keys.begin(secret(1), 50 * S);
        assert_eq!(keys.tell_again(50 * S), None, "that has time");
        keys.change(Secret::new([5; 16]), &[], 55 * S);
        keys.begin(secret(2), 55 * S);
        let mut told = |now_us: &u64| keys.tell_again(*now_us).map(|told| (*now_us, told));
        let told: Vec<_> = (55 * S..58 * S).step_by(10_000).filter_map(|now| told(&now)).collect();
        assert_eq!(told.len(), 15);
        assert_eq!((told[0].0, told[14].0), (55 * S, 55 * S + 1_400_000));
        assert_eq!(told[0].1[..5], [0xa8, 0, 0, 0, 9]);
        assert_eq!(told[0].1[5..], secret(2).bytes()[..]);
    }

    #[test]
    fn ten_epochs_begin_in_a_second_at_most_and_all_that_may_be_heard_are_kept() {
        let mut keys = keys();
        let mut begun = 0;
        for now_us in (0..60 * S).step_by(10_000) {
            keys.is_hasty = true;
            if keys.is_due(now_us) {
                keys.begin(secret(now_us), now_us);
                begun += 1;
            }
            assert!(keys.epochs.len() < EPOCHS_KEPT);
        }
        assert!((595..=601).contains(&begun), "{begun}");
    }

    #[test]
    fn an_epoch_is_over_once_nobody_waits_for_its_sound_and_that_is_told() {
        let mut keys = keys();
        let mut told = Vec::new();
        keys.change(Secret::new([5; 16]), &[[0; 32]], 0);
        for now_us in (0..150 * S).step_by(100_000) {
            let news = match keys.is_due(now_us) {
                true => Some(keys.begin(secret(now_us), now_us)),
                false => keys.end(now_us),
            };
            let since = news.and_then(|news| news.since);
            if let Some(since) = since
                && told.last().is_none_or(|(_, before)| *before != since)
            {
                told.push((now_us / 100_000, since));
            }
        }
        // Epochs begin after 0.5, 60.5 and 120.5 seconds, and their sound is waited for 21 seconds longer.
        assert_eq!(told, [(0, 7), (216, 8), (816, 9), (1_416, 10)]);
    }

    #[test]
    fn what_was_told_and_never_began_is_over_with_what_was_before_it() {
        let mut keys = keys();
        keys.begin(secret(1), 50 * S);
        keys.change(Secret::new([5; 16]), &[[0; 32]], 55 * S);
        assert_eq!(keys.begin(secret(2), 55 * S).since, Some(7));
        assert_eq!(keys.end(76 * S), None);
        assert_eq!(keys.end(77 * S).and_then(|news| news.since), Some(9));
    }

    const CONFIG: &[u8] = b"the config of a connection";

    fn ask(secret: [u8; 16], own: &Pair, config: &[u8]) -> Vec<u8> {
        let server = Pair::new(Key::new([2; 32])).public;
        let (secret, random) = (Secret::new(secret), Key::new([20; 32]));
        let terms = Terms { secret: &secret, own, config, random: &random };
        terms.ask(&server, b"hello").unwrap().1
    }

    fn take(keys: &mut Keys, message: &[u8], now_us: u64) -> Result<Asked, Refused> {
        keys.take((message, CONFIG), &Key::new([21; 32]), now_us)
    }

    #[test]
    fn after_a_change_those_who_were_in_come_again_and_whoever_was_asked_to_leave_does_not() {
        let mut keys = keys();
        let pair = |n| Pair::new(Key::new([n; 32]));
        let (stays, goes, stranger, gone) = (pair(11), pair(12), pair(13), pair(14));
        let (old, new) = ([1; 16], [5; 16]);
        for own in [&stays, &goes] {
            let asked = take(&mut keys, &ask(old, own, CONFIG), 0).unwrap();
            keys.came_in(asked.client, 0);
        }
        // They came in, and went.
        keys.came_in(gone.public, 0);
        // Nobody is in who only asked.
        take(&mut keys, &ask(old, &stranger, CONFIG), 0).unwrap();
        let late_us = AWAY_US;
        keys.was_there(&stays.public, late_us - S);
        let kept = keys.change(Secret::new(new), &[goes.public], late_us);
        assert_eq!(*kept.secret.bytes(), new);
        for secret in [old, new] {
            assert!(take(&mut keys, &ask(secret, &stays, CONFIG), late_us).is_ok());
        }
        for (secret, own) in [(old, &goes), (old, &stranger), (old, &gone), ([7; 16], &stays)] {
            let refused = take(&mut keys, &ask(secret, own, CONFIG), late_us).err();
            assert_eq!(refused, Some(Refused::Key));
        }
        let news = keys.begin(secret(1), S);
        assert_eq!(news.secret.map(|secret| *secret.bytes()), Some(new));
        assert_eq!(keys.begin(secret(2), 2 * S).secret, None, "once is enough");
    }

    #[test]
    fn what_was_said_on_another_connection_costs_a_hash_and_no_handshake() {
        let mut keys = keys();
        let recorded = ask([1; 16], &Pair::new(Key::new([11; 32])), b"another config");
        for _ in 0..10 * ENTER_PER_SECOND {
            assert_eq!(take(&mut keys, &recorded, 0).err(), Some(Refused::Key));
        }
        let right = ask([1; 16], &Pair::new(Key::new([11; 32])), CONFIG);
        assert!(take(&mut keys, &right, 0).is_ok(), "others still come in");
    }
}
