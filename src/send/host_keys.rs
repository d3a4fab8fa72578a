//! What keys at a private room's own terminal do: show the code, let somebody in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
}

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
        let (network, shutdown, shown) =
            (network.clone(), shutdown.clone(), Arc::clone(&shows_code));
        let broken = shutdown.clone();
        let _keys = spawn("keys", Priority::Ordinary, &broken, move || {
            take_keys(keyboard, &network, &shown, &shutdown);
        })?;
        Ok(Some(Self { shows_code }))
    }

    /// Whether the code is to be seen.
    pub(super) fn shows_code(&self) -> bool {
        self.shows_code.load(Ordering::Relaxed)
    }
}

fn take_keys(
    mut keyboard: Keyboard,
    network: &Handle,
    shows_code: &AtomicBool,
    shutdown: &Shutdown,
) {
    while !shutdown.is_requested()
        && let Ok(keys) = keyboard.pressed()
    {
        for key in keys {
            if let Err(e) = press(key, network, shows_code, shutdown) {
                warn!("{e}");
            }
        }
    }
}

fn press(key: Key, network: &Handle, shows_code: &AtomicBool, shutdown: &Shutdown) -> Result<()> {
    match key {
        Key::Code if shows_code.fetch_xor(true, Ordering::Relaxed) => {}
        // A new one where none holds.
        Key::Code => drop(network.code(false)?),
        Key::LetIn | Key::Refuse => {
            if let Some(first) = network.waiting()?.first() {
                network.let_in(first.address, key == Key::LetIn)?;
            }
        }
        Key::Quit => shutdown.request(),
        _ => {}
    }
    Ok(())
}
