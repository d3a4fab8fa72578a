//! What a server offers, and who gets what.

use super::{AUTO, Codec, MAX_CODECS, Word};

/// Longest room size in an offer.
const MOST_LISTENERS: u32 = 10_000;

/// The codecs that a server allows, in the order in which it prefers them, with how many may listen
/// for a listener that leaves the choice to get each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers(Vec<Offer>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Offer {
    codec: Codec,
    /// Given on `auto` only as long as no more listen than this, the new one counted.
    up_to: Option<u32>,
}

impl Default for Offers {
    /// Offers float32 to everybody, as before there was a choice.
    fn default() -> Self {
        Self(vec![Offer { codec: Codec::Float32, up_to: None }])
    }
}

impl Offers {
    /// Reads a list like `["f32 up to 6", "s16 up to 20", "opus:128"]`.
    ///
    /// # Errors
    /// What of it cannot be, as the rest of a sentence about the list.
    pub fn parse(list: &[String]) -> Result<Self, String> {
        if list.is_empty() {
            return Err("names none".to_owned());
        }
        list.iter().map(|text| offer(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether anybody may get Opus.
    #[must_use]
    pub fn include_opus(&self) -> bool {
        self.0.iter().any(|offer| matches!(offer.codec, Codec::Opus(_)))
    }

    /// The codec that `word` names, if a listener may have it while it plays.
    #[must_use]
    pub fn allowed(&self, word: &str) -> Option<Codec> {
        let codec = Word::parse(word)?.codec;
        self.0.iter().any(|offer| offer.codec.name() == codec.name()).then_some(codec)
    }

    /// What a listener gets whose hello lists `wishes`, where `others` listen already. `before` is
    /// what it had on the connection that this one takes the place of. A listener that plays
    /// nothing that is allowed gets the first that it names: nobody is turned away for a codec.
    #[must_use]
    pub fn choose(&self, wishes: &[String], others: usize, before: Option<Codec>) -> Codec {
        let wishes = &wishes[..wishes.len().min(MAX_CODECS)];
        let playable: Vec<Word> = wishes.iter().filter_map(|text| Word::parse(text)).collect();
        let plays = |codec: Codec| playable.iter().any(|word| word.codec.name() == codec.name());
        let chosen = if wishes.first().is_some_and(|first| first == AUTO) {
            let mut offers = self.0.iter().filter(|offer| plays(offer.codec));
            let has_room = |offer: &&Offer| offer.up_to.is_none_or(|up_to| others < up_to as usize);
            let before = before
                .filter(|codec| plays(*codec) && self.0.iter().any(|offer| offer.codec == *codec));
            before
                .or_else(|| offers.clone().find(has_room).map(|offer| offer.codec))
                .or_else(|| offers.next_back().map(|offer| offer.codec))
        } else {
            playable.iter().find_map(|word| {
                let same = |offer: &&Offer| offer.codec.name() == word.codec.name();
                let offer = self.0.iter().find(same)?;
                Some(if word.is_exact { word.codec } else { offer.codec })
            })
        };
        chosen.or_else(|| playable.first().map(|word| word.codec)).unwrap_or(Codec::Float32)
    }
}

/// `CODEC` or `CODEC up to N`.
fn offer(text: &str) -> Result<Offer, String> {
    let (name, up_to) = match text.split_once(" up to ") {
        None => (text, None),
        Some((name, number)) => (name, Some(number.trim())),
    };
    let name = name.trim();
    let shown = || crate::format::printable(text, 40);
    let codec = Codec::parse(name).ok_or_else(|| {
        format!("names “{}”, which does not exist", crate::format::printable(name, 40))
    })?;
    let up_to = match up_to.map(str::parse) {
        None => None,
        Some(Ok(number @ 1..=MOST_LISTENERS)) => Some(number),
        Some(_) => return Err(format!("says “{}”, which is no number of listeners", shown())),
    };
    Ok(Offer { codec, up_to })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(list: &[&str]) -> Result<Offers, String> {
        Offers::parse(&list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn gets(offers: &Offers, wishes: &[&str], others: usize) -> String {
        let wishes: Vec<_> = wishes.iter().map(|text| (*text).to_owned()).collect();
        offers.choose(&wishes, others, None).to_string()
    }

    const ALL: [&str; 5] = ["auto", "f32", "s24", "s16", "opus"];

    #[test]
    fn who_leaves_the_choice_gets_the_first_offer_that_the_room_is_small_enough_for() {
        let smooth = offers(&["f32 up to 6", "s16 up to 20", "opus", "s24"]).unwrap();
        for (others, codec) in
            [(0, "f32"), (5, "f32"), (6, "s16"), (19, "s16"), (20, "opus:128"), (999, "opus:128")]
        {
            assert_eq!(gets(&smooth, &ALL, others), codec, "{others}");
        }
        assert_eq!(gets(&smooth, &["auto", "s16"], 99), "s16", "it plays nothing else");
        assert_eq!(gets(&smooth, &["auto", "s16", "opus"], 0), "s16", "it did not name float32");
        assert_eq!(gets(&smooth, &["auto"], 0), "f32", "everybody plays that");
        let bounded = offers(&["f32 up to 1", "opus:64 up to 2"]).unwrap();
        assert_eq!(gets(&bounded, &ALL, 9), "opus:64", "the last goes on for ever");
    }

    #[test]
    fn a_wish_goes_before_the_servers_preference_but_not_before_what_it_allows() {
        let all = offers(&["f32", "s16", "opus:192", "s24"]).unwrap();
        for (wish, codec) in
            [("s24", "s24"), ("s16", "s16"), ("opus", "opus:192"), ("opus:64", "opus:64")]
        {
            assert_eq!(gets(&all, &[wish, "f32"], 99), codec);
        }
        let opus = offers(&["opus"]).unwrap();
        assert_eq!(gets(&opus, &["s16", "f32", "opus"], 0), "opus:128");
        assert_eq!(gets(&opus, &["s16"], 0), "s16", "it plays nothing that is allowed");
        assert_eq!(gets(&opus, &[], 0), "f32");
        assert_eq!(gets(&opus, &["quantum", "f32"], 0), "f32");
    }

    #[test]
    fn while_it_plays_a_listener_may_have_what_is_offered_and_no_more() {
        let some = offers(&["f32", "opus:128"]).unwrap();
        assert_eq!(some.allowed("opus:64"), Codec::parse("opus:64"));
        assert_eq!(some.allowed("f32"), Some(Codec::Float32));
        for word in ["s16", "auto", "mp3", ""] {
            assert_eq!(some.allowed(word), None, "{word}");
        }
    }

    #[test]
    fn who_comes_again_in_its_own_place_keeps_what_it_had() {
        let smooth = offers(&["f32 up to 6", "s16 up to 20", "opus"]).unwrap();
        let auto = ALL.map(str::to_owned);
        assert_eq!(smooth.choose(&auto, 50, Some(Codec::Float32)), Codec::Float32);
        let wish = ["s16".to_owned()];
        assert_eq!(smooth.choose(&wish, 50, Some(Codec::Float32)), Codec::Int16);
    }

    #[test]
    fn hundreds_of_codecs_are_one_wish_among_sixteen() {
        let all = offers(&["f32", "s16"]).unwrap();
        let many: Vec<String> = (0..300).map(|n| format!("codec{n}")).collect();
        let late: Vec<String> = many.iter().cloned().chain(["s16".to_owned()]).collect();
        assert_eq!(all.choose(&late, 0, None), Codec::Float32);
    }

    #[test]
    fn an_offer_that_cannot_be_is_refused() {
        for (list, why) in [
            (&[][..], "names none"),
            (&["mp3"][..], "names “mp3”, which does not exist"),
            (&["opus:9"][..], "names “opus:9”, which does not exist"),
            (&["f32 up to 0"][..], "says “f32 up to 0”, which is no number of listeners"),
            (&["f32 up to many"][..], "says “f32 up to many”, which is no number of listeners"),
        ] {
            assert_eq!(offers(list).unwrap_err(), why);
        }
    }
}
