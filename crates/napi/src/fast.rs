//! Bound native functions: the only hand-written N-API.
//!
//! A hot call is a function made with `napi_create_function` whose `data` points to a cell of its environment's arena
//! (`host/arena.rs`): no `this`, no unwrap, no lock. Arguments and answers are numbers, booleans, strings and Uint8Arrays, which are
//! copied at once; what does not fit goes through the result registers. Every entry point catches panics.

use std::{
    any::Any,
    ffi::{CStr, c_void},
    marker::PhantomData,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::atomic::AtomicU32,
};

use napi::{
    Env,
    bindgen_prelude::{FromNapiValue, ToNapiValue},
    sys,
};

/// A JavaScript value as N-API names it, for what napi-derive has no type for.
pub struct Raw(pub sys::napi_value);

impl ToNapiValue for Raw {
    unsafe fn to_napi_value(_env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

impl FromNapiValue for Raw {
    unsafe fn from_napi_value(_env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        Ok(Self(value))
    }
}

/// The longest key: 64 KiB of UTF-8.
pub(crate) const MAX_KEY_BYTES: usize = 64 * 1024;

/// Keys up to this length are read without an allocation.
const STACK_KEY_BYTES: usize = 256;

/// The call a bound function is in.
pub(crate) struct Call<const N: usize> {
    env: sys::napi_env,
    args: [sys::napi_value; N],
}

impl<const N: usize> Call<N> {
    /// The argument at `index` as a number; NaN if it is none.
    #[inline]
    pub(crate) fn number(&self, index: usize) -> f64 {
        let mut number = f64::NAN;
        // SAFETY: `env` and the argument belong to the call under way; a missing argument is undefined.
        unsafe { sys::napi_get_value_double(self.env, self.args[index], &mut number) };
        number
    }

    #[inline]
    fn type_of(&self, index: usize) -> sys::napi_valuetype {
        let mut kind = sys::ValueType::napi_undefined;
        // SAFETY: as in `number`.
        unsafe { sys::napi_typeof(self.env, self.args[index], &mut kind) };
        kind
    }

    /// Whether the argument at `index` is a string.
    #[inline]
    pub(crate) fn is_string(&self, index: usize) -> bool {
        self.type_of(index) == sys::ValueType::napi_string
    }

    /// Whether the argument at `index` is undefined, or there is none.
    pub(crate) fn is_undefined(&self, index: usize) -> bool {
        self.type_of(index) == sys::ValueType::napi_undefined
    }

    /// Reads the argument at `index` as UTF-8 and passes it on; None if it is no string or longer than [`MAX_KEY_BYTES`].
    #[inline]
    pub(crate) fn with_string<R>(&self, index: usize, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; STACK_KEY_BYTES];
        let mut len = 0;
        // SAFETY: the buffer is as long as said, and the environment and the argument belong to the call under way.
        let status = unsafe {
            sys::napi_get_value_string_utf8(
                self.env,
                self.args[index],
                buffer.as_mut_ptr().cast(),
                STACK_KEY_BYTES,
                &mut len,
            )
        };
        if status != sys::Status::napi_ok {
            return None;
        }
        // A full buffer may end up to 4 bytes early, before a character that did not fit, besides the closing 0.
        if len + 4 >= STACK_KEY_BYTES {
            return self.with_long_string(index, read);
        }
        // SAFETY: N-API wrote `len` bytes.
        read(unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast(), len) }).into()
    }

    #[cold]
    fn with_long_string<R>(&self, index: usize, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut len = 0;
        let value = self.args[index];
        // SAFETY: a null buffer asks for the length.
        unsafe { sys::napi_get_value_string_utf8(self.env, value, ptr::null_mut(), 0, &mut len) };
        if len > MAX_KEY_BYTES {
            return None;
        }
        let mut buffer = vec![0u8; len + 1];
        // SAFETY: the buffer is as long as said.
        unsafe {
            sys::napi_get_value_string_utf8(self.env, value, buffer.as_mut_ptr().cast(), len + 1, &mut len);
        }
        read(buffer.get(..len)?).into()
    }
}

/// Memory that text and bytes are read into, kept from one call to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    narrow: Vec<u8>,
    wide: Vec<u16>,
}

/// Memory that a scratch keeps between calls.
const KEPT_BYTES: usize = 1 << 20;

/// The least room that text is read into: most of it is shorter.
const TEXT_BYTES: usize = 8192;

/// A full buffer may end up to 4 bytes early, before a character that did not fit, besides the closing 0.
const UTF8_SLACK: usize = 5;

impl Scratch {
    /// Keeps no memory for what was huge.
    pub(crate) fn rest(&mut self) {
        self.narrow.clear();
        self.narrow.shrink_to(KEPT_BYTES);
        self.wide.clear();
        self.wide.shrink_to(KEPT_BYTES / 2);
    }
}

/// Why a document could not be read.
pub(crate) enum Unread {
    /// It is neither a string nor bytes.
    Neither,
    /// It is longer than it may be.
    TooLong,
}

/// Text as it was read: what it is in JavaScript, lone surrogates included.
pub(crate) enum Text<'a> {
    /// All code units are below 256.
    Latin1(&'a [u8]),
    /// UTF-16 code units in the byte order of the machine.
    Utf16(&'a [u8]),
}

impl<const N: usize> Call<N> {
    /// The argument at `index` as text; None if it is no string. Most text is ASCII, and UTF-8 is the cheapest way to find out.
    pub(crate) fn text<'a>(&self, index: usize, scratch: &'a mut Scratch) -> Option<Text<'a>> {
        let Scratch { narrow, wide } = scratch;
        narrow.reserve(TEXT_BYTES);
        let whole = self.read_utf8(index, narrow)?;
        if whole && narrow.is_ascii() {
            return Some(Text::Latin1(narrow));
        }
        let mut units = 0;
        // SAFETY: a null buffer asks for the length; the environment and the argument belong to the call under way.
        unsafe {
            let value = self.args[index];
            sys::napi_get_value_string_utf16(self.env, value, ptr::null_mut(), 0, &mut units);
        }
        narrow.clear();
        // What does not fit may be ASCII all the same.
        if !whole {
            narrow.reserve(units + UTF8_SLACK);
            if self.read_utf8(index, narrow)? && narrow.is_ascii() {
                return Some(Text::Latin1(narrow));
            }
            narrow.clear();
        }
        wide.reserve(units + 1);
        // SAFETY: the buffer has room for the text and the 0 behind it; N-API writes no more and says how much.
        unsafe {
            let (value, buffer) = (self.args[index], wide.as_mut_ptr());
            sys::napi_get_value_string_utf16(self.env, value, buffer, units + 1, &mut units);
            wide.set_len(units);
        }
        if wide.iter().fold(0, |all, unit| all | unit) < 256 {
            narrow.extend(wide.iter().map(|&unit| unit as u8));
            return Some(Text::Latin1(narrow));
        }
        // SAFETY: units are two bytes each, any of which is a byte.
        Some(Text::Utf16(unsafe { std::slice::from_raw_parts(wide.as_ptr().cast(), 2 * wide.len()) }))
    }

    /// Fills `buffer` to its capacity at most: whether that is all of the text. None if it is no string.
    #[inline]
    fn read_utf8(&self, index: usize, buffer: &mut Vec<u8>) -> Option<bool> {
        let (room, mut len) = (buffer.capacity(), 0);
        // SAFETY: the buffer has as many bytes as said, and the environment and the argument belong to the call under way.
        let status = unsafe {
            let (value, buffer) = (self.args[index], buffer.as_mut_ptr().cast());
            sys::napi_get_value_string_utf8(self.env, value, buffer, room, &mut len)
        };
        if status != sys::Status::napi_ok {
            return None;
        }
        // SAFETY: N-API wrote `len` bytes, fewer than there is room for.
        unsafe { buffer.set_len(len.min(room)) };
        Some(len + UTF8_SLACK <= room)
    }

    /// The memory of the Uint8Array at `index`; None if it is none. Of a detached one it is empty.
    #[inline]
    fn memory(&self, index: usize) -> Option<(*mut u8, usize)> {
        let (mut kind, mut len, mut data) = (-1, 0, ptr::null_mut());
        // SAFETY: the environment and the argument belong to the call under way; results point to locals, or are not asked for.
        let status = unsafe {
            let (buffer, offset) = (ptr::null_mut(), ptr::null_mut());
            let value = self.args[index];
            sys::napi_get_typedarray_info(self.env, value, &mut kind, &mut len, &mut data, buffer, offset)
        };
        let is_bytes = status == sys::Status::napi_ok && kind == sys::TypedarrayType::uint8_array;
        if !is_bytes {
            return None;
        }
        let data: *mut u8 = data.cast();
        Some((data, if data.is_null() { 0 } else { len }))
    }

    /// How long the Uint8Array at `index` is; 0 if it is none.
    #[inline]
    pub(crate) fn byte_len(&self, index: usize) -> usize {
        self.memory(index).map_or(0, |(_, len)| len)
    }

    /// A copy of the bytes of the Uint8Array at `index`; None if it is none.
    pub(crate) fn bytes<'a>(&self, index: usize, scratch: &'a mut Scratch) -> Option<&'a [u8]> {
        let (data, len) = self.memory(index)?;
        let copy = &mut scratch.narrow;
        copy.reserve(len);
        if len > 0 {
            // SAFETY: the runtime's memory has `len` bytes and stays during the call. No reference to it is made: of a shared buffer
            // another thread may write meanwhile, and then the copy holds some of either.
            unsafe {
                ptr::copy_nonoverlapping(data, copy.as_mut_ptr(), len);
                copy.set_len(len);
            }
        }
        Some(copy)
    }

    /// Writes `bytes` into the Uint8Array at `index`, from `offset` on; false if it is none or they do not fit.
    pub(crate) fn write(&self, index: usize, offset: f64, bytes: &[u8]) -> bool {
        let Some((data, len)) = self.memory(index) else { return false };
        let offset = offset as usize;
        if len < offset || len - offset < bytes.len() {
            return false;
        }
        if !bytes.is_empty() {
            // SAFETY: the runtime's memory has room for them, and only this thread sees it: the facade made it.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.add(offset), bytes.len()) };
        }
        true
    }

    /// Null.
    pub(crate) fn null(&self) -> Answer {
        let mut value = ptr::null_mut();
        // SAFETY: the environment is that of the call under way, and the result points to a local.
        unsafe { sys::napi_get_null(self.env, &mut value) };
        Answer::Value(value)
    }

    /// A string of UTF-8, by the shortest way.
    pub(crate) fn string(&self, text: &[u8]) -> Answer {
        if text.is_ascii() { self.latin1(text) } else { self.utf8(text) }
    }

    /// Reads the argument at `index`, a string as UTF-8 or bytes, into `copy`: whether it is a string. Nothing longer than `max`.
    pub(crate) fn json(&self, index: usize, copy: &mut Vec<u8>, max: usize) -> Result<bool, Unread> {
        copy.clear();
        if let Some((data, len)) = self.memory(index) {
            if len > max {
                return Err(Unread::TooLong);
            }
            copy.reserve(len);
            if len > 0 {
                // SAFETY: as in `bytes`.
                unsafe {
                    ptr::copy_nonoverlapping(data, copy.as_mut_ptr(), len);
                    copy.set_len(len);
                }
            }
            return Ok(false);
        }
        copy.reserve(TEXT_BYTES);
        if self.read_utf8(index, copy).ok_or(Unread::Neither)? {
            return if copy.len() > max { Err(Unread::TooLong) } else { Ok(true) };
        }
        let mut len = 0;
        // SAFETY: a null buffer asks for the length; the environment and the argument belong to the call under way.
        unsafe {
            let value = self.args[index];
            sys::napi_get_value_string_utf8(self.env, value, ptr::null_mut(), 0, &mut len);
        }
        if len > max {
            return Err(Unread::TooLong);
        }
        copy.clear();
        copy.reserve(len + UTF8_SLACK);
        self.read_utf8(index, copy).ok_or(Unread::Neither)?;
        Ok(true)
    }

    /// A string of Latin-1 bytes.
    pub(crate) fn latin1(&self, text: &[u8]) -> Answer {
        let mut value = ptr::null_mut();
        // SAFETY: the text has as many bytes as said, and the environment is that of the call under way.
        unsafe {
            let len = text.len() as isize;
            sys::napi_create_string_latin1(self.env, text.as_ptr().cast(), len, &mut value);
        }
        Answer::Value(value)
    }

    /// A string of UTF-8.
    pub(crate) fn utf8(&self, text: &[u8]) -> Answer {
        let mut value = ptr::null_mut();
        // SAFETY: as in `latin1`.
        unsafe {
            let len = text.len() as isize;
            sys::napi_create_string_utf8(self.env, text.as_ptr().cast(), len, &mut value);
        }
        Answer::Value(value)
    }

    /// A string of UTF-16 code units.
    pub(crate) fn utf16(&self, text: &[u8]) -> Answer {
        let units: Vec<u16> =
            text.chunks_exact(2).map(|unit| u16::from_ne_bytes([unit[0], unit[1]])).collect();
        let mut value = ptr::null_mut();
        // SAFETY: as in `latin1`.
        unsafe {
            sys::napi_create_string_utf16(self.env, units.as_ptr(), units.len() as isize, &mut value);
        }
        Answer::Value(value)
    }
}

/// What a bound function answers.
pub(crate) enum Answer {
    Undefined,
    Bool(bool),
    Number(f64),
    /// A value made in the call under way; null is undefined.
    Value(sys::napi_value),
}

impl From<bool> for Answer {
    #[inline]
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Answer {
    #[inline]
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<()> for Answer {
    #[inline]
    fn from((): ()) -> Self {
        Self::Undefined
    }
}

/// What went wrong is a number that the facade knows.
impl<T: Into<Answer>> From<Result<T, f64>> for Answer {
    #[inline]
    fn from(value: Result<T, f64>) -> Self {
        value.map_or_else(Self::Number, T::into)
    }
}

impl<T: Into<Answer>> From<Option<T>> for Answer {
    #[inline]
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Undefined, T::into)
    }
}

/// Runs a bound function: reads its arguments, catches a panic, converts its answer.
///
/// # Safety
/// To be called by N-API as the callback of a function made by [`bind`] with a `data` that points to a live `T`.
#[inline]
pub(crate) unsafe fn enter<T, const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    body: impl FnOnce(&T, Call<N>) -> Answer,
) -> sys::napi_value {
    let run = || {
        let mut args = [ptr::null_mut(); N];
        let mut count = N;
        let mut data: *mut c_void = ptr::null_mut();
        // SAFETY: `args` holds `count` values; N-API fills what was not passed with undefined.
        unsafe {
            sys::napi_get_cb_info(env, info, &mut count, args.as_mut_ptr(), ptr::null_mut(), &mut data);
        }
        // SAFETY: the caller vouches for `data`; cells are only freed when their environment ends.
        let answer = body(unsafe { &*data.cast::<T>() }, Call { env, args });
        let mut value = ptr::null_mut();
        // SAFETY: `env` is the environment of the call under way. A null value is undefined.
        unsafe {
            match answer {
                Answer::Undefined => 0,
                Answer::Bool(answer) => sys::napi_get_boolean(env, answer, &mut value),
                Answer::Number(answer) => sys::napi_create_double(env, answer, &mut value),
                Answer::Value(answer) => {
                    value = answer;
                    0
                }
            };
        }
        value
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => value,
        Err(panic) => {
            throw_panic(env, &*panic);
            ptr::null_mut()
        }
    }
}

#[cold]
fn throw_panic(env: sys::napi_env, panic: &(dyn Any + Send)) {
    let said =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("breakwater panicked: {}\0", said.unwrap_or("unknown").replace('\0', " "));
    // SAFETY: both strings end with a 0, and `env` is the environment of the call under way.
    unsafe {
        sys::napi_throw_error(env, c"ERR_NATIVE_PANIC".as_ptr(), message.as_ptr().cast());
    }
}

/// A cell that bound functions may point to.
pub(crate) struct Anchored<T>(*const T);

impl<T> Anchored<T> {
    /// # Safety
    /// The cell stays where it is until the environment ends whose functions are bound to it.
    pub(crate) unsafe fn new(cell: *const T) -> Self {
        Self(cell)
    }
}

type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// A function to be bound to a cell of type `T`: made by [`bound!`] alone.
pub(crate) struct Function<T> {
    callback: Callback,
    cell: PhantomData<fn(&T)>,
}

impl<T> Function<T> {
    /// # Safety
    /// The callback does nothing but [`enter`] for a cell of type `T`.
    pub(crate) const unsafe fn new(callback: Callback) -> Self {
        Self { callback, cell: PhantomData }
    }
}

/// Defines a bound function: `bound!(name, CellType, argument count, |cell, call| answer)`.
macro_rules! bound {
    ($(#[$doc:meta])* $vis:vis $name:ident, $cell:ty, $count:literal, $body:expr) => {
        $(#[$doc])*
        $vis fn $name() -> $crate::fast::Function<$cell> {
            fn body(cell: &$cell, call: $crate::fast::Call<$count>) -> $crate::fast::Answer {
                let body: fn(&$cell, $crate::fast::Call<$count>) -> _ = $body;
                body(cell, call).into()
            }
            unsafe extern "C" fn callback(
                env: napi::sys::napi_env,
                info: napi::sys::napi_callback_info,
            ) -> napi::sys::napi_value {
                // SAFETY: N-API calls this as the callback of a function that `bind` made for a cell of this type.
                unsafe { $crate::fast::enter::<$cell, $count>(env, info, body) }
            }
            // SAFETY: the callback enters for the cell type that the function is made for.
            unsafe { $crate::fast::Function::new(callback) }
        }
    };
}
pub(crate) use bound;

/// A Uint32Array over words that all environments may share; None where the runtime has no memory but its own.
pub(crate) fn shared_words(env: Env, words: &'static [AtomicU32]) -> Option<Raw> {
    let (env, bytes) = (env.raw(), std::mem::size_of_val(words));
    let (mut buffer, mut array) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: `env` is the environment of the call under way and results point to locals. The words are never freed, and whoever writes
    // them, here or there, does so in one piece.
    let status = unsafe {
        let data = words.as_ptr().cast_mut().cast();
        match sys::napi_create_external_arraybuffer(env, data, bytes, None, ptr::null_mut(), &mut buffer) {
            sys::Status::napi_ok => {
                let kind = sys::TypedarrayType::uint32_array;
                sys::napi_create_typedarray(env, kind, words.len(), buffer, 0, &mut array)
            }
            status => status,
        }
    };
    (status == sys::Status::napi_ok).then_some(Raw(array))
}

/// An object whose properties are functions bound to `cell`.
pub(crate) fn bind<T>(env: Env, cell: Anchored<T>, functions: &[(&'static CStr, Function<T>)]) -> Raw {
    let env = env.raw();
    let mut object = ptr::null_mut();
    // SAFETY: `env` is the environment of the call under way, names end with a 0, results point to locals, and the cell outlives
    // the functions (see `Anchored`).
    unsafe {
        sys::napi_create_object(env, &mut object);
        for (name, Function { callback, .. }) in functions {
            let mut function = ptr::null_mut();
            let length = name.to_bytes().len() as isize;
            let data = cell.0.cast_mut().cast();
            sys::napi_create_function(env, name.as_ptr(), length, Some(*callback), data, &mut function);
            sys::napi_set_named_property(env, object, name.as_ptr(), function);
        }
    }
    Raw(object)
}
