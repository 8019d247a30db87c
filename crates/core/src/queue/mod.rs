//! A bounded queue of messages: bytes outside anybody's heap, from any thread to any thread.
//!
//! Promises:
//! - **Exactly once.** A message that was accepted is taken by one consumer. It stays the queue's, in that consumer's *hand*, until
//!   the consumer has confirmed it; what an environment held and had not confirmed when it ended comes first again, in order.
//! - **FIFO.** Messages leave in the order in which they were accepted. A producer that waits for room is not passed by a newcomer,
//!   a consumer that waits for a message neither.
//! - **Bounded.** Never more messages than the capacity nor more bytes than `maxBytes`, but for what came back from a hand.
//! - What waits is never lost and never served twice: every ticket is offered, refused or cancelled, once.
//!
//! An offer to a consumer reserves a message for it and does not choose one: a loop that is blocked holds back no message in
//! particular, and loses its reservation to whoever asks 20 ms later.
//!
//! ```
//! use breakwater_core::{clock::Clock, queue::{Encoding, Hand, Options, Push, Queue, Take}};
//!
//! let queue = Queue::new(&Options { capacity: Some(2.0), ..Options::default() }.check()?, Clock::monotonic());
//! let (here, mut hand) = (1, Hand::default());
//! assert_eq!(queue.push(here, b"first", Encoding::Bytes, false).answer, Push::Stored);
//! assert_eq!(queue.push(here, b"second", Encoding::Bytes, false).answer, Push::Stored);
//! assert_eq!(queue.push(here, b"third", Encoding::Bytes, false).answer, Push::Refused);
//! assert_eq!(queue.take(here, None, 10, &mut hand).answer, Take::Taken { count: 2, closed: false, more: false });
//! assert_eq!(hand.messages().map(|(message, _)| message).collect::<Vec<_>>(), [b"first".as_slice(), b"second"]);
//! queue.confirm(here);
//! # Ok::<(), breakwater_core::option::InvalidOption>(())
//! ```

pub mod model;
mod options;
#[expect(clippy::module_inception, reason = "the shell of a primitive is named after it, in every folder")]
mod queue;
mod store;

pub use crate::encoding::Encoding;
pub use model::{Overflow, Rules};
pub use options::{Codec, DEFAULT_CODEC, DEFAULT_OVERFLOW, Options};
pub use queue::{Enter, Figures, Linger, Outcome, Push, Queue, Take};
pub use store::{Hand, MAX_MESSAGE_BYTES, Messages};
