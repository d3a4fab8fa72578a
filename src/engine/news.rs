//! What is said of the line to an engine: each thing once, as long as it is so.

use super::line::Lost;

/// How a line to an engine fares.
#[derive(Debug, Default)]
pub struct News {
    /// What was said last of a line that is not there.
    said: Option<String>,
    is_there: bool,
}

impl News {
    /// The line is there. What is to be said of that, if it was not before.
    pub fn works(&mut self, url: &str) -> Option<String> {
        let was_there = std::mem::replace(&mut self.is_there, true);
        self.said = None;
        (!was_there).then(|| format!("the engine at {url} is there"))
    }

    /// The line is lost, or could not be made. What is to be said of that: nothing where it was said before.
    pub fn lost(&mut self, lost: &Lost) -> Option<String> {
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
    use crate::engine::nats::{End, Url};

    fn lost(host: &str, had_worked: bool, why: End) -> Lost {
        Lost { url: Url::read(host, false).unwrap(), had_worked, why: Why::Ended(why) }
    }

    #[test]
    fn each_thing_is_said_once_as_long_as_it_is_so() {
        let mut news = News::default();
        let refused = news.lost(&lost("a", false, End::NoTls)).unwrap();
        assert!(refused.contains("nats://a:4222 cannot be used"), "{refused}");
        assert_eq!(news.lost(&lost("b", false, End::NoTls)), None);
        let other = news.lost(&lost("b", false, End::NoGreeting)).unwrap();
        assert!(other.contains("nats://b:4222"), "{other}");
        assert!(news.works("nats://a:4222").is_some());
        assert_eq!(news.works("nats://a:4222"), None);
        let gone = news.lost(&lost("a", true, End::Silent)).unwrap();
        assert!(gone.contains("is lost"), "{gone}");
    }
}
