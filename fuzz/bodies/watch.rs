//! Holds a body to a bound of memory and of time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The longest that one run may take, in µs of CPU time: a thousand times what any of them takes.
/// Beyond it an input makes somebody wait.
const LONGEST_US: u64 = 1_000_000;

/// Something that reads what others made.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// What its folder in `fuzz/corpus` is called.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
    /// Memory that one run may hold at a time, in bytes, whatever the input says.
    pub most_bytes: i64,
    /// How many changed inputs an ordinary test tries: fewer of what takes longer.
    pub tries: usize,
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Most bytes held at a time.
    pub bytes: i64,
    /// CPU time, in µs; 0 where the system does not say.
    pub micros: u64,
}

/// The system's allocator, counting what each thread holds.
struct Counting;

thread_local! {
    // Without a destructor, so that looking at them never allocates and works to a thread's end.
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

fn note(bytes: i64) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

// SAFETY: every call goes unchanged to the system's allocator, which keeps the contract; counting
// touches two cells of this thread and allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size as i64 - layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note(-(layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Makes what many runs share. Its memory is nobody's in particular.
pub fn once<T>(make: impl FnOnce() -> T) -> T {
    let (held, most) = (HELD.get(), MOST.get());
    let made = make();
    HELD.set(held);
    MOST.set(most);
    made
}

/// Runs a body. Panics where it does, and where it takes more than it may.
pub fn hold(body: &Body, data: &[u8]) -> Cost {
    let before = HELD.get();
    MOST.set(before);
    let started = cpu_us();
    (body.run)(data);
    let cost = Cost { bytes: MOST.get() - before, micros: cpu_us().saturating_sub(started) };
    let Body { name, most_bytes, .. } = body;
    assert!(cost.bytes <= *most_bytes, "{name} held {} bytes, beyond {most_bytes}", cost.bytes);
    assert!(cost.micros <= LONGEST_US, "{name} took {} µs, beyond {LONGEST_US}", cost.micros);
    cost
}

/// CPU time of this thread, in µs: what else the machine does makes it no longer.
#[cfg(unix)]
fn cpu_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

#[cfg(not(unix))]
fn cpu_us() -> u64 {
    0
}
