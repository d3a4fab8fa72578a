//! Keeps the Wi-Fi of this PC from looking for other networks while sound plays: every such search
//! takes the adapter off the air for 50 to 400 ms, about twice a minute. Windows lets a program ask
//! for that; elsewhere this does nothing.

#[cfg(windows)]
mod windows;

/// What this program has asked of this PC's Wi-Fi.
#[derive(Debug, Default)]
pub(crate) struct Wifi {
    /// Asked for since sound plays. The system forgets it when this is dropped, or this program ends.
    #[cfg(windows)]
    asked: Option<Result<windows::Streaming, windows::Refused>>,
}

impl Wifi {
    /// Asks for quiet air while sound `plays`, once each time that it begins, and no longer.
    #[cfg(windows)]
    pub(crate) fn while_playing(&mut self, plays: bool) {
        if plays == self.asked.is_some() {
            return;
        }
        self.asked = plays.then(windows::Streaming::begin);
        match &self.asked {
            Some(Ok(streaming)) => {
                log::debug!("{} Wi-Fi adapters search for no networks now", streaming.adapters());
            }
            Some(Err(why)) => log::debug!("Wi-Fi adapters may search for networks: {why}"),
            None => log::debug!("Wi-Fi adapters may search for networks again"),
        }
    }

    /// Asks for quiet air while sound plays, where a system can give it.
    #[cfg(not(windows))]
    pub(crate) fn while_playing(&mut self, _plays: bool) {}
}
