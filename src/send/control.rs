//! The threads that do what programs on this machine ask for: one for each, a few at a time.

mod board;

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use log::debug;

use super::transmit::Caller;
use crate::control::rpc;
use crate::error::Result;
use crate::shutdown::Shutdown;
use crate::threads::{Priority, spawn};
use crate::wire::websocket::{self, Heard, Messages, close};
pub(super) use board::Board;

/// Programs that may be connected at a time. Each has a thread.
const MAX_CALLERS: usize = 8;

/// Messages that a program may send in a second: a slider that is moved sends fewer.
const MAX_MESSAGES_PER_SECOND: u32 = 50;

/// How often is looked whether the server stops.
const LOOK: Duration = Duration::from_millis(250);

/// A program that takes no answer for this long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Bytes read at a time: a call is shorter.
const READ_BYTES: usize = 4 * 1024;

/// Starts to answer the callers that come through what this returns, until `stop`.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) if the system gives no thread.
pub(super) fn start(board: Board, stop: &Shutdown) -> Result<SyncSender<Caller>> {
    let (callers, arrive) = sync_channel(MAX_CALLERS);
    let heard = stop.clone();
    // Taking a sound card in can take seconds; nobody waits for these threads to end.
    let _thread = spawn("control", Priority::Ordinary, stop, move || {
        receive(&arrive, &Arc::new(board), &heard)
    })?;
    Ok(callers)
}

fn receive(arrive: &Receiver<Caller>, board: &Arc<Board>, stop: &Shutdown) {
    let served = Arc::new(AtomicUsize::new(0));
    while !stop.is_requested() {
        let caller = match arrive.recv_timeout(LOOK) {
            Ok(caller) => caller,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let is_one_too_many = served.load(Ordering::Relaxed) >= MAX_CALLERS;
        served.fetch_add(1, Ordering::Relaxed);
        let (board, heard, done) = (Arc::clone(board), stop.clone(), Arc::clone(&served));
        let serving = spawn("control", Priority::Ordinary, stop, move || {
            let ended = serve(caller, &board, is_one_too_many, &heard);
            debug!("a program that told us what to do has gone: {ended:?}");
            done.fetch_sub(1, Ordering::Relaxed);
        });
        if serving.is_err() {
            served.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Answers one program until it goes.
fn serve(
    Caller { mut stream, opening, said }: Caller,
    board: &Board,
    is_one_too_many: bool,
    stop: &Shutdown,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(WRITE_WITHIN))?;
    stream.write_all(&opening)?;
    if is_one_too_many {
        return stream.write_all(&websocket::closing(close::TRY_AGAIN, "too many programs"));
    }
    let mut messages = Messages::texts();
    messages.push(&said);
    let mut bytes = [0; READ_BYTES];
    let (mut second, mut count) = (Instant::now(), 0);
    loop {
        loop {
            let answer = match messages.next_heard() {
                Ok(None) => break,
                Ok(Some(Heard::Text(text))) => {
                    rpc::answer(text, |method, params| board.call(method, params))
                        .map(|answer| websocket::text(&answer))
                }
                Ok(Some(Heard::Ping(payload))) => Some(websocket::pong(payload)),
                Ok(Some(Heard::Close(code))) => {
                    return stream.write_all(&websocket::closing(code, ""));
                }
                // Such messages are refused before they are read.
                Ok(Some(Heard::Frame { .. })) => None,
                Err(misuse) => {
                    let last = websocket::closing(misuse.close_code(), &misuse.to_string());
                    return stream.write_all(&last);
                }
            };
            if second.elapsed() >= Duration::from_secs(1) {
                (second, count) = (Instant::now(), 0);
            }
            count += 1;
            if count > MAX_MESSAGES_PER_SECOND {
                let last = websocket::closing(close::POLICY, "too many messages");
                return stream.write_all(&last);
            }
            if let Some(answer) = answer {
                stream.write_all(&answer)?;
            }
        }
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(read) => messages.push(&bytes[..read]),
            Err(e) if is_a_pause(&e) && stop.is_requested() => {
                let last = websocket::closing(close::GOING_AWAY, "the server was stopped");
                return stream.write_all(&last);
            }
            Err(e) if is_a_pause(&e) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Whether `error` says that nothing came in time: systems say so in one of two ways.
fn is_a_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
