//! What a player's audio delay is to be, so that its picture comes as late as listeners hear. Pure: what the player says
//! and the time are arguments.
//!
//! mpv and VLC have the same property with the same sign: seconds by which sound comes later than the picture. A picture
//! that is to come later has a negative one. What the person at the player has set stays: ours goes on top of it.

/// A property is as it should be within so much, in s: VLC keeps whole µs, and says them with six digits.
const CLOSE_S: f64 = 0.000_5;

/// A player that has not done what it was told within this time is told again, in µs.
const WITHIN_US: u64 = 400_000;

/// So often it is told before it is said that it does not obey.
const MOST_TRIES: u32 = 3;

/// One that does not obey is left alone for so long, in µs.
const LEFT_FOR_US: u64 = 30_000_000;

/// What changes this soon after a film has begun, the player itself has set for it, in µs.
const BEGINNING_US: u64 = 2_000_000;

/// No film needs more, in s: what is beyond it is no delay.
const MOST_S: f64 = 3_600.0;

/// What a player says of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Its audio delay in s.
    pub value_s: f64,
    /// Which film it plays: another number for each that begins. `None` where it has none, and so nothing to delay.
    pub film: Option<u64>,
}

impl Reading {
    /// A reading, if a player could have such an audio delay.
    #[must_use]
    pub fn new(value_s: f64, film: Option<u64>) -> Option<Self> {
        (value_s.is_finite() && value_s.abs() <= MOST_S).then_some(Self { value_s, film })
    }
}

/// What has become of a player's picture, to be said once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The picture is as late as it should be, for the first time.
    Holds,
    /// The person at the player has put it back: it is left so until the next film.
    PutBack,
    /// It does not do what it says it did.
    Lies,
}

/// What follows from a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Next {
    /// The audio delay in s that the player is to be told.
    pub set_s: Option<f64>,
    /// What is to be said.
    pub news: Option<News>,
}

/// How a player is at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// It has no film, or has not answered yet.
    #[default]
    Waiting,
    /// Its picture is as late as listeners hear.
    Held,
    /// Whoever sits at it wants it otherwise.
    PutBack,
    /// It does not do what it is told.
    Lies,
}

/// One player's picture.
#[derive(Debug, Default)]
pub struct Film {
    /// What the audio delay would be without us, in s.
    own_s: Option<f64>,
    /// What it was set to last, and was seen to be, in s.
    set_s: Option<f64>,
    asked: Option<Asked>,
    /// What it was told last and did not do in time, in s: it may do so yet.
    late_s: Option<f64>,
    /// The film that plays.
    film: Option<Playing>,
    /// Nothing played a moment ago, so that what plays next begins.
    was_idle: bool,
    is_put_back: bool,
    /// It is not told anything before then, in µs.
    lies_until_us: Option<u64>,
    /// It was said that it holds.
    is_said: bool,
}

/// A film that plays.
#[derive(Debug, Clone, Copy)]
struct Playing {
    number: u64,
    /// When it was seen first, in µs.
    since_us: u64,
    /// Whether it began then: one that is there when we come may have begun long ago.
    is_new: bool,
}

/// Something that the player was told.
#[derive(Debug, Clone, Copy)]
struct Asked {
    value_s: f64,
    at_us: u64,
    tries: u32,
}

impl Film {
    /// A player that a server has left with an audio delay of `set_s`, while it would be `own_s` by itself.
    #[must_use]
    pub fn left_behind(own_s: f64, set_s: f64) -> Self {
        Self { own_s: Some(own_s), set_s: Some(set_s), ..Self::default() }
    }

    /// What the audio delay would be without us, in s, once that is known.
    #[must_use]
    pub fn own_s(&self) -> Option<f64> {
        self.own_s
    }

    /// How late the picture was made, in ms.
    #[must_use]
    pub fn delay_ms(&self) -> f64 {
        match (self.own_s, self.set_s) {
            (Some(own_s), Some(set_s)) => (own_s - set_s) * 1e3,
            _ => 0.0,
        }
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> State {
        match (self.lies_until_us, self.set_s, self.is_put_back) {
            (Some(_), _, _) => State::Lies,
            (_, _, true) => State::PutBack,
            (_, Some(_), _) => State::Held,
            _ => State::Waiting,
        }
    }

    /// Whether it waits to see that the player has done what it was told.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// Learns what the player says, while listeners hear `delay_ms` late.
    pub fn look(&mut self, reading: Reading, delay_ms: u32, now_us: u64) -> Next {
        let Some(film) = reading.film else {
            // Nothing plays. The next film has an audio delay of its own.
            *self = Self { is_said: self.is_said, was_idle: true, ..Self::default() };
            return Next::default();
        };
        let value_s = reading.value_s;
        if self.is_put_back && self.told_s().is_none_or(|told_s| !is_close(value_s, told_s)) {
            // Nothing of ours is in it: whatever it is, the person has set.
            self.own_s = Some(value_s);
        }
        if self.film.is_none_or(|known| known.number != film) {
            let is_new = self.film.is_some() || self.was_idle;
            self.film = Some(Playing { number: film, since_us: now_us, is_new });
            self.is_put_back = false;
        }
        let mut news = None;
        let mut tries = 0;
        let told_s = self.told_s();
        match self.asked {
            _ if told_s.is_some_and(|told_s| is_close(value_s, told_s)) => {
                (self.set_s, self.asked) = (Some(value_s), None);
                (self.late_s, self.lies_until_us) = (None, None);
                if !std::mem::replace(&mut self.is_said, true) {
                    news = Some(News::Holds);
                }
            }
            Some(asked) if now_us.saturating_sub(asked.at_us) < WITHIN_US => {
                return Next::default();
            }
            Some(asked) if asked.tries >= MOST_TRIES => {
                let is_new = self.lies_until_us.is_none();
                (self.asked, self.late_s) = (None, Some(asked.value_s));
                self.lies_until_us = Some(now_us.saturating_add(LEFT_FOR_US));
                return Next { set_s: None, news: is_new.then_some(News::Lies) };
            }
            Some(asked) => (self.asked, tries) = (None, asked.tries),
            None => news = self.mind_others(value_s, now_us),
        }
        if self.is_put_back || self.lies_until_us.is_some_and(|until| now_us < until) {
            return Next { set_s: None, news };
        }
        let own_s = *self.own_s.get_or_insert(value_s);
        let wanted_s = own_s - f64::from(delay_ms) / 1e3;
        if is_close(value_s, wanted_s) {
            self.set_s = Some(value_s);
            return Next { set_s: None, news };
        }
        self.asked = Some(Asked { value_s: wanted_s, at_us: now_us, tries: tries + 1 });
        Next { set_s: Some(wanted_s), news }
    }

    /// What others than we have set.
    fn mind_others(&mut self, value_s: f64, now_us: u64) -> Option<News> {
        let (Some(own_s), Some(set_s)) = (self.own_s, self.set_s) else { return None };
        if is_close(value_s, set_s) {
            return None;
        }
        let is_back = is_close(value_s, own_s);
        let is_the_films = self.film.is_some_and(|film| {
            let is_young = now_us.saturating_sub(film.since_us) < BEGINNING_US;
            // What has just begun when we come takes back what it was told once, and moves by a key as ever.
            is_young && (film.is_new || is_back)
        });
        if is_the_films {
            (self.own_s, self.set_s) = (Some(value_s), None);
        } else if is_back {
            self.set_s = None;
            let was = std::mem::replace(&mut self.is_put_back, true);
            return (!was).then_some(News::PutBack);
        } else {
            // A person moves it by a little, from where it is.
            (self.own_s, self.set_s) = (Some(own_s + value_s - set_s), Some(value_s));
            self.is_put_back = false;
        }
        None
    }

    /// What the player is to be told at the end, where it says `value_s` now: nothing if its value is not ours.
    #[must_use]
    pub fn restored_s(&self, value_s: f64) -> Option<f64> {
        let own_s = self.own_s?;
        let told = self.told_s().into_iter().chain(self.late_s);
        let is_ours = told.chain(self.set_s).any(|ours_s| is_close(value_s, ours_s));
        (is_ours && !is_close(value_s, own_s)).then_some(own_s)
    }

    /// What the player is to be told at the end although it has that, as it says with `value_s`: what it was told before
    /// it may do yet, and does this after it.
    #[must_use]
    pub fn repeated_s(&self, value_s: f64) -> Option<f64> {
        let own_s = self.own_s.filter(|&own_s| is_close(value_s, own_s))?;
        self.told_s().map(|_| own_s)
    }

    /// What it was told and was not seen to do.
    fn told_s(&self) -> Option<f64> {
        self.asked.map(|asked| asked.value_s).or(self.late_s)
    }
}

/// Whether two audio delays are the same, in s.
#[must_use]
pub fn is_close(one_s: f64, other_s: f64) -> bool {
    (one_s - other_s).abs() < CLOSE_S
}

#[cfg(test)]
mod tests;
