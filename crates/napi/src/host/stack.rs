//! Where a thread's stack ends.

/// The lowest address of the calling thread's stack; 0 where the system does not say.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn stack_end() -> usize {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes are filled before they are read, and destroyed after; results point to locals.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return 0;
        }
        let failed = libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        if failed != 0 { 0 } else { low as usize }
    }
}

/// The lowest address of the calling thread's stack.
#[cfg(target_os = "macos")]
pub(crate) fn stack_end() -> usize {
    // SAFETY: these read what the system knows of the calling thread.
    unsafe {
        let thread = libc::pthread_self();
        (libc::pthread_get_stackaddr_np(thread) as usize)
            .saturating_sub(libc::pthread_get_stacksize_np(thread))
    }
}

/// Nobody says.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
pub(crate) fn stack_end() -> usize {
    0
}
