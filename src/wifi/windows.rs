//! Windows' media streaming mode: while a program holds it, adapters do not search in the background.
//!
//! A Windows without Wi-Fi (servers, and what is sold without media) has no `wlanapi.dll`, so it is
//! looked for while running: a program that is linked to it would not start there.

#![allow(unsafe_code, reason = "no safe crate asks for this, and there is no other way")]

use std::ffi::{CStr, c_void};
use std::fmt;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, FreeLibrary, HANDLE, HMODULE};
use windows_sys::Win32::NetworkManagement::WiFi::{
    WLAN_API_VERSION_2_0, WLAN_INTERFACE_INFO, WLAN_INTERFACE_INFO_LIST, WLAN_INTF_OPCODE,
    wlan_intf_opcode_media_streaming_mode,
};
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};
use windows_sys::core::{BOOL, GUID, w};

/// More adapters than this are not asked: a PC has one, and a number from elsewhere is bounded.
const MOST_ADAPTERS: u32 = 16;

type Open = unsafe extern "system" fn(u32, *const c_void, *mut u32, *mut HANDLE) -> u32;
type Close = unsafe extern "system" fn(HANDLE, *const c_void) -> u32;
type Enumerate =
    unsafe extern "system" fn(HANDLE, *const c_void, *mut *mut WLAN_INTERFACE_INFO_LIST) -> u32;
type Set = unsafe extern "system" fn(
    HANDLE,
    *const GUID,
    WLAN_INTF_OPCODE,
    u32,
    *const c_void,
    *const c_void,
) -> u32;
type Free = unsafe extern "system" fn(*const c_void);

/// Why nothing could be asked for.
#[derive(Debug)]
pub(super) enum Refused {
    /// This Windows has no Wi-Fi service's library, or not this part of it.
    NoLibrary,
    /// A call failed with this code of the system's.
    Code(&'static str, u32),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLibrary => f.write_str("this Windows comes without Wi-Fi"),
            Self::Code(call, code) => write!(f, "{call} failed with {code}"),
        }
    }
}

/// `wlanapi.dll`, for as long as it is needed.
#[derive(Debug)]
struct Library(HMODULE);

impl Library {
    fn load() -> Result<Self, Refused> {
        // SAFETY: the name is a constant that ends in 0. Only the system's own folder is searched, and
        // what the library does when it is loaded is the system's.
        let module =
            unsafe { LoadLibraryExW(w!("wlanapi.dll"), null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32) };
        if module.is_null() { Err(Refused::NoLibrary) } else { Ok(Self(module)) }
    }

    /// The address of a function.
    fn find(&self, name: &CStr) -> Result<unsafe extern "system" fn() -> isize, Refused> {
        // SAFETY: the module is loaded until `self` is dropped, and the name ends in 0.
        unsafe { GetProcAddress(self.0, name.as_ptr().cast()) }.ok_or(Refused::NoLibrary)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: it was loaded once, and nothing of it is called after this.
        unsafe { FreeLibrary(self.0) };
    }
}

/// Media streaming mode on every Wi-Fi adapter: ends when it is dropped.
#[derive(Debug)]
pub(super) struct Streaming {
    /// The connection to the Wi-Fi service. The mode holds as long as it is open.
    service: HANDLE,
    close: Close,
    adapters: u32,
    /// Dropped last.
    _library: Library,
}

impl Streaming {
    /// Asks for it.
    pub(super) fn begin() -> Result<Self, Refused> {
        let library = Library::load()?;
        // SAFETY: each is the address of the function that the system documents with these arguments
        // and this result, and is called no longer than `library` lives.
        let (open, close, enumerate, set, free) = unsafe {
            (
                std::mem::transmute::<_, Open>(library.find(c"WlanOpenHandle")?),
                std::mem::transmute::<_, Close>(library.find(c"WlanCloseHandle")?),
                std::mem::transmute::<_, Enumerate>(library.find(c"WlanEnumInterfaces")?),
                std::mem::transmute::<_, Set>(library.find(c"WlanSetInterface")?),
                std::mem::transmute::<_, Free>(library.find(c"WlanFreeMemory")?),
            )
        };
        let (mut version, mut service) = (0, null_mut());
        // SAFETY: both results are written to variables of ours of the size that is documented.
        let code =
            unsafe { open(WLAN_API_VERSION_2_0, null(), &raw mut version, &raw mut service) };
        if code != ERROR_SUCCESS {
            return Err(Refused::Code("WlanOpenHandle", code));
        }
        let mut streaming = Self { service, close, adapters: 0, _library: library };
        let mut list: *mut WLAN_INTERFACE_INFO_LIST = null_mut();
        // SAFETY: the handle is open, and the list's address is written to a variable of ours.
        let code = unsafe { enumerate(service, null(), &raw mut list) };
        if code != ERROR_SUCCESS || list.is_null() {
            return Err(Refused::Code("WlanEnumInterfaces", code));
        }
        // SAFETY: the system has filled the list's head.
        let count = unsafe { (*list).dwNumberOfItems }.min(MOST_ADAPTERS);
        // SAFETY: the head is followed by as many entries as it says.
        let first = unsafe { &raw const (*list).InterfaceInfo }.cast::<WLAN_INTERFACE_INFO>();
        for at in 0..count as usize {
            let on: BOOL = 1;
            // SAFETY: `at` is below the list's count, and the identifier is copied out of it before
            // the list is freed.
            let adapter = unsafe { (*first.add(at)).InterfaceGuid };
            // SAFETY: the handle is open; the adapter and the switch are variables of ours that outlive
            // the call, and the switch has the size that is said.
            let code = unsafe {
                set(
                    service,
                    &raw const adapter,
                    wlan_intf_opcode_media_streaming_mode,
                    size_of::<BOOL>() as u32,
                    (&raw const on).cast(),
                    null(),
                )
            };
            if code == ERROR_SUCCESS {
                streaming.adapters += 1;
            } else {
                log::debug!("WlanSetInterface failed with {code}");
            }
        }
        // SAFETY: the system made the list, and nothing of it is used after this.
        unsafe { free(list.cast()) };
        Ok(streaming)
    }

    /// How many adapters have taken it.
    pub(super) fn adapters(&self) -> u32 {
        self.adapters
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        // SAFETY: the handle is open and closed nowhere else; the library is still loaded.
        unsafe { (self.close)(self.service, null()) };
    }
}
