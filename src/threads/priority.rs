//! Asks the system to run a thread before others, and carries on where it does not.
//!
//! Linux: rtkit, which gives real time to programs without rights; else a better nice value, which
//! some systems allow. Windows: the multimedia class scheduler. macOS: a real-time constraint.

/// How soon a thread must run when it has something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Whenever its turn comes.
    Ordinary,
    /// Before ordinary ones. Not real time: with thousands of listeners it may compute for as long
    /// as no real-time thread may.
    Soon,
    /// At once: sound is waiting, and it never computes for long.
    Now,
}

impl Priority {
    /// Asks for the calling thread.
    pub(crate) fn ask(self) {
        if self == Self::Ordinary {
            return;
        }
        match system::ask(self) {
            Ok(how) => log::debug!("this thread runs {how}"),
            Err(why) => log::debug!("this thread has no priority: {why}"),
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::time::Duration;

    use rustbus::connection::Timeout;
    use rustbus::{MessageBuilder, MessageType, RpcConn};
    use rustix::process::{Pid, Resource, Rlimit, setpriority_process, setrlimit};
    use rustix::thread::gettid;

    use super::Priority;

    /// Half of what rtkit allows: above all ordinary work, below a sound server's own threads.
    const REAL_TIME: u32 = 10;

    /// What sound servers give their own threads.
    const NICE: i32 = -11;

    /// A real-time thread that computes for longer at a stretch, in µs, is broken, and the system
    /// ends it. rtkit asks for such a limit, and allows no longer one.
    const LONGEST_US: u64 = 200_000;

    /// Longest wait for rtkit: without it there is sound, too.
    const PATIENCE: Duration = Duration::from_millis(300);

    const NAME: &str = "org.freedesktop.RealtimeKit1";
    const PATH: &str = "/org/freedesktop/RealtimeKit1";

    pub(super) fn ask(priority: Priority) -> Result<String, String> {
        let thread = gettid();
        let by_rtkit = rtkit(thread, priority);
        let Err(refused) = by_rtkit else { return by_rtkit };
        // Linux has a nice value per thread, though its name says process.
        match setpriority_process(Some(thread), NICE) {
            Ok(()) => Ok(format!("at nice {NICE}; rtkit: {refused}")),
            Err(e) => Err(format!("rtkit: {refused}; nice: {e}")),
        }
    }

    fn rtkit(thread: Pid, priority: Priority) -> Result<String, String> {
        let error = |e: rustbus::connection::Error| e.to_string();
        let patience = || Timeout::Duration(PATIENCE);
        let mut bus = RpcConn::system_conn(patience()).map_err(error)?;
        let limit = Rlimit { current: Some(LONGEST_US), maximum: Some(LONGEST_US) };
        setrlimit(Resource::Rttime, limit).map_err(|e| e.to_string())?;
        let method = match priority {
            Priority::Now => "MakeThreadRealtime",
            Priority::Soon | Priority::Ordinary => "MakeThreadHighPriority",
        };
        let mut call =
            MessageBuilder::new().call(method).with_interface(NAME).on(PATH).at(NAME).build();
        let thread = u64::from(thread.as_raw_nonzero().get().unsigned_abs());
        let wanted = call.body.push_param(thread).and_then(|()| match priority {
            Priority::Now => call.body.push_param(REAL_TIME),
            Priority::Soon | Priority::Ordinary => call.body.push_param(NICE),
        });
        wanted.map_err(|e| e.to_string())?;
        let sent = bus.send_message(&mut call).map_err(error)?;
        let serial = sent.write(patience()).map_err(|(unsent, e)| {
            unsent.force_finish();
            e.to_string()
        })?;
        let answer = bus.wait_response(serial, patience()).map_err(error)?;
        if answer.typ == MessageType::Error {
            return Err(answer.dynheader.error_name.unwrap_or_else(|| "refused".to_owned()));
        }
        Ok(format!("by rtkit's {method}"))
    }
}

#[cfg(any(windows, target_os = "macos"))]
mod system {
    use super::Priority;

    pub(super) fn ask(priority: Priority) -> Result<String, String> {
        if priority != Priority::Now {
            return Err("the system knows only real time".to_owned());
        }
        /// What such a thread works for at a time: 10 ms.
        const FRAMES: u32 = 480;
        audio_thread_priority::promote_current_thread_to_real_time(FRAMES, 48_000)
            .map(|_held_until_the_thread_ends| "in real time".to_owned())
            .map_err(|e| e.to_string())
    }
}

#[cfg(not(any(windows, target_os = "macos", target_os = "linux")))]
mod system {
    use super::Priority;

    pub(super) fn ask(_: Priority) -> Result<String, String> {
        Err("nobody has told this program how to ask here".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_never_fails_and_never_takes_long() {
        let start = std::time::Instant::now();
        for priority in [Priority::Ordinary, Priority::Soon, Priority::Now] {
            std::thread::spawn(move || priority.ask()).join().unwrap();
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(3));
    }
}
