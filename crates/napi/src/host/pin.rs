//! The image stays loaded: Node unloads an addon once the last environment that loaded it has ended, and with it the statics that
//! other threads rely on. On Linux the linker says so (`-z nodelete`, build.rs); elsewhere the first environment asks.

#[cfg(target_os = "linux")]
pub(super) fn pin_image() {}

#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn pin_image() {
    // SAFETY: dladdr fills `info` for an address of this image, whose path dlopen then finds loaded; nothing is loaded anew.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(pin_image as *const libc::c_void, &mut info) != 0 && !info.dli_fname.is_null() {
            libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}

#[cfg(windows)]
pub(super) fn pin_image() {
    unsafe extern "system" {
        fn GetModuleHandleExW(flags: u32, address: *const u16, module: *mut *mut std::ffi::c_void) -> i32;
    }
    const PIN: u32 = 1;
    const FROM_ADDRESS: u32 = 4;
    let mut module = std::ptr::null_mut();
    // SAFETY: with FROM_ADDRESS the second argument is an address in the image to pin: this function's.
    unsafe { GetModuleHandleExW(PIN | FROM_ADDRESS, pin_image as *const u16, &mut module) };
}
