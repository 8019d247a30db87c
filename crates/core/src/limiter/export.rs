//! The limiter's state as bytes, to carry over a restart.
//!
//! Little-endian: magic, layout version, number of limits, number of lines, when it was exported (milliseconds since 1970), the
//! hash key, the limits (interval, capacity); then a record for each line with flags (line, 0, flags) and for each live entry:
//! line, tag, and for each limit the time until full; at the end a checksum of all that. Times are ages, not instants: the
//! clocks of two processes have nothing in common.

use siphasher::sip::SipHasher13;

use super::{
    limiter::Limiter,
    line::{FORGETFUL, Line, OVERFLOWED, generation},
    model::farthest,
};
use crate::{
    bucket::model::{MAX_DEBT, Rate, debt, nanos, ticks},
    clock::{NANOS_PER_MILLI, wall_millis},
    option::InvalidOption,
    sync::{Backoff, Ordering},
    words::MAX_LIMITS,
};

const MAGIC: [u8; 4] = *b"BWLM";
const LAYOUT: u32 = 1;
const HEADER_BYTES: usize = 4 + 4 + 4 + 4 + 8 + 8 + 16;
const CHECKSUM_BYTES: usize = 8;

impl Limiter {
    /// All live keys: 8 bytes and 8 a limit each, plus a header. Keys are told apart by their hash alone; none is in the bytes.
    pub fn export(&self) -> Vec<u8> {
        self.export_at(wall_millis())
    }

    /// The same, at a given wall time.
    pub fn export_at(&self, wall_ms: u64) -> Vec<u8> {
        let limits = self.table.shape.limits;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.table.occupied() as usize * (8 + 8 * limits));
        bytes.extend(MAGIC);
        bytes.extend(LAYOUT.to_le_bytes());
        bytes.extend((limits as u32).to_le_bytes());
        bytes.extend(0u32.to_le_bytes());
        bytes.extend((self.table.lines as u64).to_le_bytes());
        bytes.extend(wall_ms.to_le_bytes());
        for word in &self.hash_key {
            bytes.extend(word.load(Ordering::Relaxed).to_le_bytes());
        }
        for rate in self.table.limits().0.rates() {
            bytes.extend(rate.interval.to_le_bytes());
            bytes.extend(rate.capacity.to_le_bytes());
        }
        let now = ticks(self.now());
        for index in 0..self.table.lines {
            let mut backoff = Backoff::default();
            let before = bytes.len();
            while !self.export_line(index, now, &mut bytes) {
                bytes.truncate(before);
                backoff.wait();
            }
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    fn export_line(&self, index: usize, now: u64, bytes: &mut Vec<u8>) -> bool {
        let line = self.table.line(index);
        let (_, current) = self.table.limits();
        let Some(head) = self.table.fresh_head(line, current) else { return false };
        let flags = head & (OVERFLOWED | FORGETFUL);
        if flags != 0 {
            bytes.extend((index as u32).to_le_bytes());
            bytes.extend(0u32.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
        }
        for entry in 0..self.table.shape.entries {
            let tag = line.tag(entry);
            let tats = line.tats(entry);
            if tag == 0 || farthest(&tats, now, self.table.shape.limits) == 0 {
                continue;
            }
            bytes.extend((index as u32).to_le_bytes());
            bytes.extend(tag.to_le_bytes());
            for tat in tats.iter().take(self.table.shape.limits) {
                bytes.extend(debt(*tat, now).min(MAX_DEBT).to_le_bytes());
            }
        }
        line.unchanged(head)
    }

    /// Takes over what [`Limiter::export`] gave, less the time between. False, and nothing changes, if this limiter has
    /// counted a key already, or has another number of limits or keys.
    pub fn restore(&self, bytes: &[u8]) -> Result<bool, InvalidOption> {
        self.restore_at(bytes, wall_millis())
    }

    /// The same, at a given wall time.
    pub fn restore_at(&self, bytes: &[u8], wall_ms: u64) -> Result<bool, InvalidOption> {
        let invalid = || InvalidOption {
            option: "bytes".to_owned(),
            expected: "the bytes that export() gave",
            got: format!("{} other bytes", bytes.len()),
        };
        let whole = bytes.split_last_chunk::<CHECKSUM_BYTES>();
        let whole = whole.filter(|(content, sum)| checksum(content).to_le_bytes() == **sum);
        let mut reader = Reader(whole.ok_or_else(invalid)?.0);
        let header = (|| {
            let known = reader.array::<4>()? == MAGIC && reader.u32()? == LAYOUT;
            let (limits, _, lines) = (reader.u32()?, reader.u32()?, reader.u64()?);
            let (exported, hash_key) = (reader.u64()?, [reader.u64()?, reader.u64()?]);
            known.then_some((limits, lines, exported, hash_key))
        })();
        let (limits, lines, exported, hash_key) = header.ok_or_else(invalid)?;
        let shape = self.table.shape;
        if limits as usize != shape.limits || lines != self.table.lines as u64 || self.table.occupied() > 0 {
            return Ok(false);
        }
        // Under the same limits a debt stays what it is, a penalty included; under others it is bounded as by reconfigure.
        let mut bounds = [MAX_DEBT; MAX_LIMITS];
        for (bound, rate) in bounds.iter_mut().zip(self.table.limits().0.rates()) {
            let interval = reader.u64().ok_or_else(invalid)?;
            let capacity = reader.u64().ok_or_else(invalid)?;
            if *rate != (Rate { interval, capacity }) {
                *bound = rate.span();
            }
        }
        let mut records = Vec::new();
        while !reader.0.is_empty() {
            let (index, tag) = (reader.u32().ok_or_else(invalid)?, reader.u32().ok_or_else(invalid)?);
            // A record without a tag carries the flags of its line instead.
            let mut words = [0; MAX_LIMITS];
            for word in words.iter_mut().take(if tag == 0 { 1 } else { shape.limits }) {
                *word = reader.u64().filter(|&word| word <= MAX_DEBT).ok_or_else(invalid)?;
            }
            if index as usize >= self.table.lines {
                return Err(invalid());
            }
            records.push((index as usize, tag, words));
        }
        for (own, exported) in self.hash_key.iter().zip(hash_key) {
            own.store(exported, Ordering::Relaxed);
        }
        let away =
            ticks(wall_ms.saturating_sub(exported).saturating_mul(NANOS_PER_MILLI).min(MAX_DEBT / 256));
        let now = self.now();
        for (index, tag, words) in records {
            if tag == 0 {
                self.restore_line(index, words[0], |_| ());
                continue;
            }
            let bounds = if tag & 1 == 0 { bounds } else { [MAX_DEBT; MAX_LIMITS] };
            let debts: [u64; MAX_LIMITS] =
                std::array::from_fn(|limit| words[limit].saturating_sub(away).min(bounds[limit]));
            if debts.iter().all(|&debt| debt == 0) {
                continue;
            }
            if tag & 1 != 0 {
                self.blocked_until.fetch_max(now.saturating_add(nanos(debts[0])), Ordering::AcqRel);
            }
            let now = ticks(now);
            self.restore_line(index, 0, |line| {
                if let Some(free) = line.find(0) {
                    line.set_tag(free, tag);
                    line.set_tats(free, &debts.map(|debt| now.wrapping_add(debt)));
                    self.table.count_restored();
                }
            });
        }
        Ok(true)
    }

    fn restore_line(&self, index: usize, flags: u64, change: impl FnOnce(Line<'_>)) {
        let line = self.table.line(index);
        let mut backoff = Backoff::default();
        let head = loop {
            let (_, current) = self.table.limits();
            match self.table.fresh_head(line, current) {
                Some(head) if line.lock(head) => break head,
                _ => backoff.wait(),
            }
        };
        change(line);
        line.unlock(head, head | flags, generation(head));
    }
}

/// Tells bytes that were cut or damaged on their way. It keeps nobody from making up bytes: they are as trusted as the code.
fn checksum(bytes: &[u8]) -> u64 {
    SipHasher13::new().hash(bytes)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
