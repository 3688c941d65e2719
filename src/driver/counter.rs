//! Which counter blocks a session may still use.

use rekeylab_ddi::{CtrIv, Hresult};

use crate::limits::BLOCK_ALIGNMENT;

/// The highest (IV, Count) that a session ever used.
///
/// Semantics decision: the pair only ever rises, for the whole life of the session and over every
/// refresh (S-26, S-30). That refuses every reused IV and every overlap (S-34) at
/// once, needs no list of ranges that could fill up, and does not rest on refreshed keys being
/// different (S-12, INV-05). Within one IV, Count goes on where it stopped, as sequential counters
/// want.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct CounterTrack {
    /// IV and Count of the last block used, as numbers.
    highest: Option<(u64, u64)>,
}

/// The counter blocks of one buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CounterRange {
    iv: u64,
    first: u64,
    last: u64,
}

impl CounterRange {
    /// The blocks that a buffer of `len` bytes uses from `start` on.
    ///
    /// Semantics decision: a Count that would pass 2^64 is refused (S-33). A carry would enter the
    /// counter space of the next IV, wrapping would repeat this one's.
    pub(crate) fn new(start: CtrIv, len: u32) -> Result<Self, Hresult> {
        // Both fields are big-endian in memory and are compared as numbers (R-31, S-32).
        let (iv, first) = (start.iv_number(), start.count_number());
        let block_count = u64::from(len / BLOCK_ALIGNMENT);
        let last = first.checked_add(block_count - 1).ok_or(Hresult::E_INVALIDARG)?;
        Ok(Self { iv, first, last })
    }
}

impl CounterTrack {
    /// Whether the whole range lies above everything used so far.
    pub(crate) fn admits(&self, range: CounterRange) -> Result<(), Hresult> {
        let is_above = match self.highest {
            None => true,
            Some(highest) => (range.iv, range.first) > highest,
        };
        // Semantics decision: a counter that does not rise is refused as a call that the session's
        // history does not allow (S-45); the documents give no code.
        if is_above { Ok(()) } else { Err(Hresult::D3DDDIERR_INVALIDCALL) }
    }

    /// Remembers the range as used.
    ///
    /// Only called once the buffer is accepted: a refused call consumes nothing (S-37). The IV
    /// 2^64-1 with Count 2^64-1 is the last there is; after it every buffer is refused (S-38).
    pub(crate) fn use_up(&mut self, range: CounterRange) {
        self.highest = Some((range.iv, range.last));
    }

    /// Writes what is remembered; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        let Self { highest } = *self;
        sink.flag(highest.is_some());
        let (iv, count) = highest.unwrap_or_default();
        sink.number(iv);
        sink.number(count);
    }
}

#[cfg(test)]
mod tests {
    use super::{CounterRange, CounterTrack};
    use rekeylab_ddi::{CtrIv, Hresult};

    fn range(iv: u64, count: u64, blocks: u32) -> CounterRange {
        CounterRange::new(CtrIv::new(iv, count), blocks * 16).unwrap()
    }

    fn check(used: &[(u64, u64, u32)], next: (u64, u64, u32), admitted: bool) {
        let mut track = CounterTrack::default();
        for &(iv, count, blocks) in used {
            let range = range(iv, count, blocks);
            assert_eq!(track.admits(range), Ok(()), "{used:?}");
            track.use_up(range);
        }
        let (iv, count, blocks) = next;
        assert_eq!(track.admits(range(iv, count, blocks)).is_ok(), admitted, "{used:?} {next:?}");
    }

    #[test]
    fn a_counter_may_only_rise() {
        check(&[], (0, 0, 1), true);
        check(&[(1, 0, 1)], (1, 0, 1), false);
        check(&[(1, 0, 1)], (1, 1, 1), true);
        check(&[(2, 0, 1)], (1, 500, 1), false);
        check(&[(1, 500, 1)], (2, 0, 1), true);
    }

    #[test]
    fn ranges_may_touch_and_not_overlap() {
        check(&[(7, 1, 3)], (7, 4, 3), true);
        check(&[(7, 1, 3)], (7, 3, 3), false);
        check(&[(7, 1, 3), (7, 4, 3)], (7, 7, 3), true);
    }

    #[test]
    fn ivs_are_compared_as_numbers_not_as_bytes_in_native_order() {
        check(&[(0x00FF, 0, 1)], (0x0100, 0, 1), true);
        check(&[(0x0100, 0, 1)], (0x00FF, 0, 1), false);
    }

    #[test]
    fn the_last_count_can_be_used_and_not_passed() {
        assert!(CounterRange::new(CtrIv::new(1, u64::MAX), 16).is_ok());
        assert_eq!(CounterRange::new(CtrIv::new(1, u64::MAX), 32), Err(Hresult::E_INVALIDARG));
        check(&[(u64::MAX, u64::MAX, 1)], (u64::MAX, u64::MAX, 1), false);
        check(&[(1, u64::MAX, 1)], (2, 0, 1), true);
    }
}
