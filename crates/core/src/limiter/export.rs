//! The limiter's state as bytes, to carry over a restart.
//!
//! Little-endian: magic, layout version, number of limits, number of lines, when it was exported (milliseconds since 1970), the
//! hash key; then a record for each line that overflowed (tag 0) and for each live entry: line, tag, and for each limit the time
//! until full. Times are ages, not instants: the clocks of two processes have nothing in common.

use super::{
    limiter::Limiter,
    line::{LOCKED, OVERFLOWED},
    model::farthest,
};
use crate::{
    bucket::model::{MAX_DEBT, debt, ticks},
    clock::{NANOS_PER_MILLI, wall_millis},
    option::InvalidOption,
    sync::{Backoff, Ordering},
    words::MAX_LIMITS,
};

const MAGIC: [u8; 4] = *b"BWLM";
const LAYOUT: u32 = 1;
const HEADER_BYTES: usize = 4 + 4 + 4 + 4 + 8 + 8 + 16;

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
        let now = ticks(self.now());
        for index in 0..self.table.lines {
            let mut backoff = Backoff::default();
            let before = bytes.len();
            while !self.export_line(index, now, &mut bytes) {
                bytes.truncate(before);
                backoff.wait();
            }
        }
        bytes
    }

    fn export_line(&self, index: usize, now: u64, bytes: &mut Vec<u8>) -> bool {
        let line = self.table.line(index);
        let head = line.head();
        if head & LOCKED != 0 {
            return false;
        }
        if head & OVERFLOWED != 0 {
            bytes.extend((index as u32).to_le_bytes());
            bytes.extend(0u32.to_le_bytes());
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
                bytes.extend(debt(*tat, now).to_le_bytes());
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
        let mut reader = Reader(bytes);
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
        let mut records = Vec::new();
        while !reader.0.is_empty() {
            let (index, tag) = (reader.u32().ok_or_else(invalid)?, reader.u32().ok_or_else(invalid)?);
            let mut debts = [0; MAX_LIMITS];
            if tag != 0 {
                for debt in debts.iter_mut().take(shape.limits) {
                    *debt = reader.u64().filter(|&debt| debt <= MAX_DEBT).ok_or_else(invalid)?;
                }
            }
            if index as usize >= self.table.lines {
                return Err(invalid());
            }
            records.push((index as usize, tag, debts));
        }
        for (own, exported) in self.hash_key.iter().zip(hash_key) {
            own.store(exported, Ordering::Relaxed);
        }
        let away = ticks(wall_ms.saturating_sub(exported).saturating_mul(NANOS_PER_MILLI).min(MAX_DEBT / 256));
        let now = self.now();
        for (index, tag, debts) in records {
            let debts = debts.map(|debt| debt.saturating_sub(away));
            if tag & 1 != 0 {
                self.blocked_until.fetch_max(now.saturating_add(debts[0].div_ceil(256)), Ordering::AcqRel);
            }
            self.restore_entry(index, tag, debts, ticks(now));
        }
        Ok(true)
    }

    fn restore_entry(&self, index: usize, tag: u32, debts: [u64; MAX_LIMITS], now: u64) {
        let (limits, current) = self.table.limits();
        let line = self.table.line(index);
        let mut backoff = Backoff::default();
        let head = loop {
            let head = line.head();
            if head & LOCKED == 0 && line.lock(head) {
                break head;
            }
            backoff.wait();
        };
        let free = (0..self.table.shape.entries).find(|&entry| line.tag(entry) == 0);
        let mut tats = debts.map(|debt| now.wrapping_add(debt));
        if tag & 1 == 0 {
            for (tat, (debt, rate)) in tats.iter_mut().zip(debts.iter().zip(limits.rates())) {
                *tat = now.wrapping_add((*debt).min(rate.span()));
            }
        }
        if let (1.., Some(free)) = (tag, free) {
            line.set_tag(free, tag);
            line.set_tats(free, &tats);
            self.table.count_restored();
        }
        line.unlock(head, tag == 0 || head & OVERFLOWED != 0, current);
    }
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
