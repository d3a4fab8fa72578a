//! What is said of the line to an engine: each thing once, as long as it is so.

use super::line::Lost;
use super::nats::Url;

/// How a line to an engine fares.
#[derive(Debug, Default)]
pub struct News {
    /// What was said last of a line that is not there.
    said: Option<String>,
    is_there: bool,
    forbidden: Option<String>,
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// The line is there.
    There(String),
    /// It is lost, or could not be made.
    Gone(String),
}

impl News {
    /// What is to be said after a turn of the line, in which `lost` was lost, and which is to `works_at` now.
    pub fn after(&mut self, lost: Option<&Lost>, works_at: Option<&Url>) -> Option<Said> {
        match lost {
            Some(lost) => self.lost(lost).map(Said::Gone),
            None => self.works(works_at?).map(Said::There),
        }
    }

    /// The engine does not let something be said or heard, in these words. Whether that is new.
    pub fn forbids(&mut self, why: &str) -> bool {
        let is_new = self.forbidden.as_deref() != Some(why);
        if is_new {
            self.forbidden = Some(why.to_owned());
        }
        is_new
    }

    fn works(&mut self, url: &Url) -> Option<String> {
        let was_there = std::mem::replace(&mut self.is_there, true);
        self.said = None;
        (!was_there).then(|| format!("the engine at {url} is there"))
    }

    fn lost(&mut self, lost: &Lost) -> Option<String> {
        self.is_there = false;
        let what = if lost.had_worked { "is lost" } else { "cannot be used" };
        let said = format!("the engine at {} {what}: {}", lost.url, lost.why);
        // Of several addresses the one that was said of stands for all, unless there is another reason.
        let is_new = self.said.as_ref().is_none_or(|before| reason(before) != reason(&said));
        is_new.then(|| {
            self.said = Some(said.clone());
            said
        })
    }
}

fn reason(said: &str) -> &str {
    said.split_once(": ").map_or(said, |(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::line::Why;
    use crate::engine::nats::End;

    fn url(host: &str) -> Url {
        Url::read(host, false).unwrap()
    }

    fn lost(host: &str, had_worked: bool, why: End) -> Lost {
        Lost { url: url(host), had_worked, why: Why::Ended(why) }
    }

    fn gone(news: &mut News, lost: &Lost) -> Option<String> {
        match news.after(Some(lost), None) {
            Some(Said::There(said)) => panic!("{said}"),
            Some(Said::Gone(said)) => Some(said),
            None => None,
        }
    }

    #[test]
    fn each_thing_is_said_once_as_long_as_it_is_so() {
        let mut news = News::default();
        assert_eq!(news.after(None, None), None);
        let refused = gone(&mut news, &lost("a", false, End::NoTls)).unwrap();
        assert!(refused.contains("nats://a:4222 cannot be used"), "{refused}");
        assert_eq!(gone(&mut news, &lost("b", false, End::NoTls)), None);
        let other = gone(&mut news, &lost("b", false, End::NoGreeting)).unwrap();
        assert!(other.contains("nats://b:4222"), "{other}");
        assert!(matches!(news.after(None, Some(&url("a"))), Some(Said::There(_))));
        assert_eq!(news.after(None, Some(&url("a"))), None);
        let lost = gone(&mut news, &lost("a", true, End::Silent)).unwrap();
        assert!(lost.contains("is lost"), "{lost}");
    }

    #[test]
    fn what_an_engine_forbids_is_said_once_until_it_forbids_something_else() {
        let mut news = News::default();
        let told = ["a", "a", "b", "a"].map(|why| news.forbids(why));
        assert_eq!(told, [true, false, true, true]);
    }
}
