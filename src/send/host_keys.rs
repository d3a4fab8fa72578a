//! What keys at a private room's own terminal do: show the code, let somebody in.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use log::warn;

use super::transmit::Handle;
use crate::error::Result;
use crate::shutdown::Shutdown;
use crate::status::{Key, Keyboard, Terminal};
use crate::threads::{Priority, spawn};

/// What keys have asked for.
#[derive(Debug)]
pub(super) struct HostKeys {
    shows_code: Arc<AtomicBool>,
    asks_about: Asked,
}

/// Whom the terminal asks about.
type Asked = Arc<Mutex<Option<SocketAddr>>>;

impl HostKeys {
    /// Takes keys from the terminal, if there are any, until `shutdown`.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) if the system gives no thread.
    pub(super) fn take(
        terminal: &Terminal,
        network: &Handle,
        shutdown: &Shutdown,
    ) -> Result<Option<Self>> {
        let Some(keyboard) = terminal.keyboard(false) else { return Ok(None) };
        let shows_code = Arc::new(AtomicBool::new(false));
        let asks_about = Asked::default();
        let theirs = Self { shows_code: Arc::clone(&shows_code), asks_about: asks_about.clone() };
        let (network, shutdown) = (network.clone(), shutdown.clone());
        let broken = shutdown.clone();
        let _keys = spawn("keys", Priority::Ordinary, &broken, move || {
            take_keys(keyboard, &network, &theirs, &shutdown);
        })?;
        Ok(Some(Self { shows_code, asks_about }))
    }

    /// The terminal asks about whoever waits there: keys answer for them alone, whoever is the first by then.
    pub(super) fn ask_about(&self, waits: Option<SocketAddr>) {
        *self.asks_about.lock().unwrap_or_else(PoisonError::into_inner) = waits;
    }

    /// Whether the code is to be seen.
    pub(super) fn shows_code(&self) -> bool {
        self.shows_code.load(Ordering::Relaxed)
    }
}

fn take_keys(mut keyboard: Keyboard, network: &Handle, host: &HostKeys, shutdown: &Shutdown) {
    while !shutdown.is_requested()
        && let Ok(keys) = keyboard.pressed()
    {
        for key in keys {
            if let Err(e) = press(key, network, host, shutdown) {
                warn!("{e}");
            }
        }
    }
}

fn press(key: Key, network: &Handle, host: &HostKeys, shutdown: &Shutdown) -> Result<()> {
    match key {
        Key::Code if host.shows_code.fetch_xor(true, Ordering::Relaxed) => {}
        // A new one where none holds.
        Key::Code => drop(network.code(false)?),
        Key::LetIn | Key::Refuse => {
            let asked = host.asks_about.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(address) = asked {
                network.let_in(address, key == Key::LetIn)?;
            }
        }
        Key::Quit => shutdown.request(),
        _ => {}
    }
    Ok(())
}
